//! The transform world: the trait that a transform implements and the macro that exports it.
//!
//! A transform is pure: same input, same output, no state between calls. The host sends exactly the
//! columns that the manifest declares, and takes exactly one row back per row, in order.

use std::marker::PhantomData;

use crate::bindings::transform::exports::renkei::plugin::transform as world;
use crate::{Attributes, Batch, Error, Value};

/// The functions of a transform. `wit/v0.2/transform.wit` says what every argument and result
/// means.
pub trait Transform: 'static {
    /// Input columns to output columns. `old` has what the target holds now, row by row, or no rows
    /// at all.
    ///
    /// # Errors
    /// `unsupported` for a function that the manifest does not list, `invalid` for a bad parameter.
    /// A value that cannot be converted is no error of the batch: answer null or absent for it.
    fn forward(
        function: &str,
        parameters: &Attributes,
        input: &Batch,
        old: &Batch,
    ) -> Result<Batch, Error>;

    /// Output columns back to input columns, for a two-way function. Laws: `backward(forward(a), a)
    /// = a`, and `forward(backward(b, a), b) = b` for every `b` that forward makes.
    ///
    /// # Errors
    /// As `forward`; `unsupported` unless the transform says otherwise.
    fn backward(
        function: &str,
        parameters: &Attributes,
        input: &Batch,
        old: &Batch,
    ) -> Result<Batch, Error> {
        let _ = (parameters, input, old);
        Err(Error::unsupported(format!("{function} goes one way")))
    }

    /// Base, left and right of one field, row by row; commutative in left and right.
    ///
    /// # Errors
    /// As `forward`; `unsupported` unless the transform says otherwise.
    fn merge(
        function: &str,
        parameters: &Attributes,
        base: &[Value],
        left: &[Value],
        right: &[Value],
    ) -> Result<Vec<Value>, Error> {
        let _ = (parameters, base, left, right);
        Err(Error::unsupported(format!("{function} does not merge")))
    }
}

/// Joins the generated trait, which takes everything by value, to a [`Transform`].
#[doc(hidden)]
#[derive(Debug)]
pub struct Exported<T>(PhantomData<T>);

impl<T: Transform> world::Guest for Exported<T> {
    fn forward(
        function: String,
        parameters: Attributes,
        input: Batch,
        old: Batch,
    ) -> Result<Batch, Error> {
        crate::panics::report();
        let answer = T::forward(&function, &parameters, &input, &old);
        leave((parameters, input, old));
        answer
    }

    fn backward(
        function: String,
        parameters: Attributes,
        input: Batch,
        old: Batch,
    ) -> Result<Batch, Error> {
        crate::panics::report();
        let answer = T::backward(&function, &parameters, &input, &old);
        leave((parameters, input, old));
        answer
    }

    fn merge(
        function: String,
        parameters: Attributes,
        base: Vec<Value>,
        left: Vec<Value>,
        right: Vec<Value>,
    ) -> Result<Vec<Value>, Error> {
        T::merge(&function, &parameters, &base, &left, &right)
    }
}

/// The host drops the instance after this one call and its memory with it: to free every text of
/// the input one by one before that is time for nothing.
fn leave<T>(used: T) {
    std::mem::forget(used);
}

/// Exports a [`Transform`] as the component's transform world. Once per crate; natively it only
/// checks the type.
#[macro_export]
macro_rules! export_transform {
    ($transform:ty) => {
        const _: () = {
            const fn is_a_transform<T: $crate::transform::Transform>() {}
            is_a_transform::<$transform>();

            #[cfg(target_family = "wasm")]
            #[expect(unsafe_code, reason = "the canonical ABI's entry points")]
            const _: () = {
                type Exported = $crate::transform::Exported<$transform>;
                $crate::bindings::transform::export_transform_world!(
                    Exported with_types_in $crate::bindings::transform
                );
            };
        };
    };
}
