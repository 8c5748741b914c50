//! From what a task's function returns to the result that its caller gets.

use crate::{Failure, schema};
use schemars::JsonSchema;
use serde::Serialize;
use std::marker::PhantomData;

/// Stands for the return type `R` of a task's function. For a `Result` it has methods of its own; for all other types
/// those of [`Plain`], which come second in Rust's look-up. So a `Result` is known by its type, whatever an alias
/// calls it.
#[derive(Debug)]
pub struct Returned<R>(PhantomData<R>);

impl<R> Returned<R> {
    /// Nothing is needed but the type.
    #[expect(clippy::new_without_default, reason = "written by the attribute alone")]
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T, E> Returned<Result<T, E>> {
    /// The result in MessagePack, or the failure.
    pub fn encode(&self, returned: Result<T, E>) -> Result<Vec<u8>, Failure>
    where
        T: Serialize,
        E: Into<Failure>,
    {
        encode(&returned.map_err(Into::into)?)
    }

    /// The JSON Schema of the result.
    pub fn schema(&self) -> String
    where
        T: JsonSchema,
    {
        schema::output::<T>()
    }
}

/// A function that cannot fail, and returns its result itself.
pub trait Plain<R> {
    /// The result in MessagePack.
    fn encode(&self, returned: R) -> Result<Vec<u8>, Failure>;
    /// The JSON Schema of the result.
    fn schema(&self) -> String;
}

impl<R: Serialize + JsonSchema> Plain<R> for Returned<R> {
    fn encode(&self, returned: R) -> Result<Vec<u8>, Failure> {
        encode(&returned)
    }

    fn schema(&self) -> String {
        schema::output::<R>()
    }
}

/// Structs are maps by name, as the schema says.
fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Failure> {
    rmp_serde::to_vec_named(value).map_err(|error| {
        Failure::new(format!("the result cannot be encoded: {error}"))
            .kind("result")
            .never_retry()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Fallible<T> = Result<T, std::num::ParseIntError>;

    #[test]
    fn a_plain_value() {
        assert_eq!(Returned::<u8>::new().encode(5).unwrap(), [5]);
        assert_eq!(Returned::<()>::new().encode(()).unwrap(), [0xc0]);
        assert!(Returned::<u8>::new().schema().contains("integer"));
    }

    #[test]
    fn a_result_by_another_name() {
        let returned = Returned::<Fallible<u8>>::new();
        assert_eq!(returned.encode("5".parse()).unwrap(), [5]);
        assert_eq!(
            returned.encode("x".parse()).unwrap_err().message,
            "invalid digit found in string"
        );
        assert!(returned.schema().contains("integer"));
    }

    #[test]
    fn a_struct_is_a_map() {
        #[derive(Serialize, JsonSchema)]
        struct Size {
            width: u8,
        }
        assert_eq!(
            Returned::<Size>::new().encode(Size { width: 3 }).unwrap(),
            b"\x81\xa5width\x03"
        );
    }
}
