//! How every object of the section is declared: closed to unknown keys, absent keys left out when written.
//!
//! Objects are read by code of this file's own: what serde derives reads arrays as well and compares keys once more for each type, which
//! made up a quarter of the component.

use std::marker::PhantomData;

use serde::de::{Deserialize, Error, MapAccess};

/// The keys of an object, and which of them were read.
pub struct Keys {
    all: &'static [&'static str],
    read: u64,
}

impl Keys {
    /// Of an object of which nothing was read yet. There may be 64, raw identifiers among them.
    pub fn new(all: &'static [&'static str]) -> Self {
        debug_assert!(all.len() <= 64);
        Self { all, read: 0 }
    }

    /// The place of the next key, `None` at the end.
    ///
    /// # Errors
    /// For a key that is unknown or stands there twice.
    pub fn next<'de, A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<Option<usize>, A::Error> {
        let Some(name) = map.next_key::<String>()? else {
            return Ok(None);
        };
        self.place(&name).map(Some).map_err(A::Error::custom)
    }

    fn place(&mut self, name: &str) -> Result<usize, String> {
        let word = |key: &&'static str| key.strip_prefix("r#").unwrap_or(key);
        let Some(place) = self.all.iter().position(|key| word(key) == name) else {
            let known: Vec<&str> = self.all.iter().map(word).collect();
            return Err(format!(
                "unknown field `{name}`, expected one of `{}`",
                known.join("`, `")
            ));
        };
        if self.read & 1 << place != 0 {
            return Err(format!("duplicate field `{name}`"));
        }
        self.read |= 1 << place;
        Ok(place)
    }

    /// That the first `count` keys were read.
    ///
    /// # Errors
    /// For the first that was not.
    pub fn require<E: Error>(&self, count: usize) -> Result<(), E> {
        match (0..count).find(|place| self.read & 1 << place == 0) {
            Some(place) => Err(E::missing_field(self.all[place])),
            None => Ok(()),
        }
    }
}

/// How the value of an optional key is read: `null` is as good as no key, unless the key itself says `Option`.
pub struct Slot<T>(pub PhantomData<T>);

/// See [`Slot`].
pub trait Read<T> {
    /// Reads it.
    ///
    /// # Errors
    /// What does not fit the type.
    fn read<'de, A: MapAccess<'de>>(self, map: &mut A) -> Result<Option<T>, A::Error>
    where
        T: Deserialize<'de>;
}

impl<T> Read<T> for Slot<T> {
    fn read<'de, A: MapAccess<'de>>(self, map: &mut A) -> Result<Option<T>, A::Error>
    where
        T: Deserialize<'de>,
    {
        map.next_value()
    }
}

impl<T> Slot<Option<T>> {
    /// Where the key itself says `Option`, `null` means something: absent is `None`, `null` is `Some(None)`.
    ///
    /// # Errors
    /// What does not fit the type.
    pub fn read<'de, A: MapAccess<'de>>(self, map: &mut A) -> Result<Option<Option<T>>, A::Error>
    where
        T: Deserialize<'de>,
    {
        map.next_value().map(Some)
    }
}

/// The word of a key in a state file: the field's name, unless another is given.
#[doc(hidden)]
#[macro_export]
macro_rules! key_word {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $word:literal) => {
        $word
    };
}

/// Declares an object of the section. Keys in the first block are required, those under `optional` become `Option`s. A key that is no
/// Rust name stands behind its field: `ovs_db = "ovs-db": OvsDb`.
#[macro_export]
macro_rules! keys {
    (
        $(#[$meta:meta])* pub struct $name:ident { $($(#[$rmeta:meta])* $rfield:ident: $rtype:ty,)* }
        optional { $($(#[$ometa:meta])* $ofield:ident $(= $oword:literal)?: $otype:ty,)* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
        #[serde(deny_unknown_fields)]
        #[cfg_attr(not(target_family = "wasm"), derive(schemars::JsonSchema))]
        pub struct $name {
            $($(#[$rmeta])* pub $rfield: $rtype,)*
            $($(#[$ometa])* $(#[serde(rename = $oword)])? #[serde(skip_serializing_if = "Option::is_none")] pub $ofield: Option<$otype>,)*
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Object;

                impl<'de> serde::de::Visitor<'de> for Object {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                        f.write_str(concat!("an object (", stringify!($name), ")"))
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        #[allow(unused_imports)]
                        use $crate::section::keys::Read as _;
                        const REQUIRED: &[&str] = &[$(stringify!($rfield)),*];
                        let mut keys = $crate::section::keys::Keys::new(
                            &[$(stringify!($rfield),)* $($crate::key_word!($ofield $($oword)?),)*]
                        );
                        let mut object = $name::default();
                        while let Some(place) = keys.next(&mut map)? {
                            let mut at = 0..;
                            $(if at.next() == Some(place) {
                                object.$rfield = map.next_value()?;
                                continue;
                            })*
                            $(if at.next() == Some(place) {
                                let slot = $crate::section::keys::Slot::<$otype>(std::marker::PhantomData);
                                object.$ofield = slot.read(&mut map)?;
                                continue;
                            })*
                        }
                        keys.require(REQUIRED.len())?;
                        Ok(object)
                    }
                }

                deserializer.deserialize_map(Object)
            }
        }
    };
}

/// Declares the settings of a kind of link and their translation to and from the contract's record with the same fields.
#[macro_export]
macro_rules! settings {
    (
        $(#[$meta:meta])* pub struct $name:ident = $wire:path { $($(#[$ometa:meta])* $ofield:ident: $otype:ty,)* }
    ) => {
        $crate::keys! {
            $(#[$meta])* pub struct $name {}
            optional { $($(#[$ometa])* $ofield: $otype,)* }
        }

        impl $crate::section::Wire<$wire> for $name {
            fn to_wire(&self) -> $wire {
                $wire { $($ofield: $crate::section::Wire::to_wire(&self.$ofield),)* }
            }

            fn of_wire(wire: $wire) -> Self {
                Self { $($ofield: $crate::section::Wire::of_wire(wire.$ofield),)* }
            }
        }
    };
}

/// Declares an enumeration by the words that a state file and the kernel use, and its translation to and from the contract's.
#[macro_export]
macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident = $wire:path { $($(#[$vmeta:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
        #[cfg_attr(not(target_family = "wasm"), derive(schemars::JsonSchema))]
        #[allow(missing_docs, reason = "a word says what it means")]
        pub enum $name { $($(#[$vmeta])* #[serde(rename = $word)] $variant,)* }

        // Derived code would also read the form `{"word": null}`: much code in a component, and no use.
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = <String as serde::Deserialize>::deserialize(deserializer)?;
                match word.as_str() {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(serde::de::Error::unknown_variant(&word, &[$($word),*])),
                }
            }
        }

        impl $crate::section::Wire<$wire> for $name {
            fn to_wire(&self) -> $wire {
                match self { $(Self::$variant => <$wire>::$variant,)* }
            }

            fn of_wire(wire: $wire) -> Self {
                match wire { $(<$wire>::$variant => Self::$variant,)* }
            }
        }
    };
}
