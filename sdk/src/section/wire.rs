//! Translation between the section's types and the contract's.

/// A type of the section that stands for `W` of the contract.
pub trait Wire<W>: Sized {
    /// For a request.
    fn to_wire(&self) -> W;
    /// From an answer.
    fn of_wire(wire: W) -> Self;
}

macro_rules! same {
    ($($type:ty)*) => { $(impl Wire<$type> for $type {
        fn to_wire(&self) -> $type {
            self.clone()
        }

        fn of_wire(wire: $type) -> Self {
            wire
        }
    })* };
}

same!(bool u8 u16 u32 i32 String);

impl<T: Wire<W>, W> Wire<Option<W>> for Option<T> {
    fn to_wire(&self) -> Option<W> {
        self.as_ref().map(T::to_wire)
    }

    fn of_wire(wire: Option<W>) -> Self {
        wire.map(T::of_wire)
    }
}

impl<T: Wire<W>, W> Wire<Vec<W>> for Vec<T> {
    fn to_wire(&self) -> Vec<W> {
        self.iter().map(T::to_wire).collect()
    }

    fn of_wire(wire: Vec<W>) -> Self {
        wire.into_iter().map(T::of_wire).collect()
    }
}

/// A list that the contract leaves empty where nothing is said.
impl<T: Wire<W>, W> Wire<Vec<W>> for Option<Vec<T>> {
    fn to_wire(&self) -> Vec<W> {
        self.as_ref().map(Wire::to_wire).unwrap_or_default()
    }

    fn of_wire(wire: Vec<W>) -> Self {
        (!wire.is_empty()).then(|| Vec::of_wire(wire))
    }
}

macro_rules! required {
    ($($type:ty)*) => { $(
        /// A field that the contract requires; validation and the comparison see to it that it is there.
        impl Wire<$type> for Option<$type> {
            fn to_wire(&self) -> $type {
                self.unwrap_or_default()
            }

            fn of_wire(wire: $type) -> Self {
                Some(wire)
            }
        }
    )* };
}

required!(u16 u32);
