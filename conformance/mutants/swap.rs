//! How a mutant with one part swapped is written down.

/// A mutant that is the reference but for the methods given, with commas between them, as rustfmt sets them.
macro_rules! swap {
    ($name:literal, $requirement:literal, $behaviour:literal, $($methods:item),+ $(,)?) => {{
        struct Swapped;
        impl $crate::runtime::Parts for Swapped {
            $($methods)+
        }
        $crate::mutants::Mutant::part($name, $requirement, $behaviour, Swapped)
    }};
}
