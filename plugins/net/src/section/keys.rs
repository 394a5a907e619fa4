//! How every object of the section is declared: closed to unknown keys, absent keys left out when written.

/// Declares an object of the section. Keys in the first block are required, those under `optional` become `Option`s.
macro_rules! keys {
    (
        $(#[$meta:meta])* pub struct $name:ident { $($(#[$rmeta:meta])* $rfield:ident: $rtype:ty,)* }
        optional { $($(#[$ometa:meta])* $ofield:ident: $otype:ty,)* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[cfg_attr(not(target_family = "wasm"), derive(schemars::JsonSchema))]
        pub struct $name {
            $($(#[$rmeta])* pub $rfield: $rtype,)*
            $($(#[$ometa])* #[serde(skip_serializing_if = "Option::is_none")] pub $ofield: Option<$otype>,)*
        }
    };
}

/// Declares the settings of a kind of link and their translation to and from the contract's record with the same fields.
macro_rules! settings {
    (
        $(#[$meta:meta])* pub struct $name:ident = $wire:path { $($(#[$ometa:meta])* $ofield:ident: $otype:ty,)* }
    ) => {
        keys! {
            $(#[$meta])* pub struct $name {}
            optional { $($(#[$ometa])* $ofield: $otype,)* }
        }

        impl Wire<$wire> for $name {
            fn to_wire(&self) -> $wire {
                $wire { $($ofield: self.$ofield.to_wire(),)* }
            }

            fn of_wire(wire: $wire) -> Self {
                Self { $($ofield: Wire::of_wire(wire.$ofield),)* }
            }
        }
    };
}

/// Declares an enumeration by the words that a state file and the kernel use, and its translation to and from the contract's.
macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident = $wire:path { $($(#[$vmeta:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[cfg_attr(not(target_family = "wasm"), derive(schemars::JsonSchema))]
        #[allow(missing_docs, reason = "a word says what it means")]
        pub enum $name { $($(#[$vmeta])* #[serde(rename = $word)] $variant,)* }

        // Derived code would also read the form `{"word": null}`: much code in a component, and no use.
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = String::deserialize(deserializer)?;
                match word.as_str() {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(serde::de::Error::unknown_variant(&word, &[$($word),*])),
                }
            }
        }

        impl Wire<$wire> for $name {
            fn to_wire(&self) -> $wire {
                match self { $(Self::$variant => <$wire>::$variant,)* }
            }

            fn of_wire(wire: $wire) -> Self {
                match wire { $(<$wire>::$variant => Self::$variant,)* }
            }
        }
    };
}
