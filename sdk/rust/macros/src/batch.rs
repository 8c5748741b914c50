//! The option `batch` of `#[task(…)]`, and the function that it asks for: from a `Vec` of calls to a `Vec` of results.

use crate::function::Function;
use crate::options::{number, once, text};
use crate::values;
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::spanned::Spanned;
use syn::{Error, GenericArgument, ItemFn, LitStr, PathArguments, Result, Token, Type};

const VALID: &str = "max, wait";
/// What the host takes, too.
const MOST: u64 = 1_000;
/// The same, in milliseconds.
const LONGEST: u64 = 60_000;

/// How many calls make a batch, and how long the first of them waits for others.
#[derive(Debug, PartialEq)]
pub(crate) struct Batch {
    pub(crate) max: u32,
    pub(crate) wait_ms: u64,
}

/// `(max = 100, wait = "50ms")`, or `= { max = 100, wait = "50ms" }`.
pub(crate) fn parse(input: ParseStream) -> Result<Batch> {
    let fields;
    let span = if input.peek(Token![=]) {
        input.parse::<Token![=]>()?;
        syn::braced!(fields in input).span.join()
    } else {
        syn::parenthesized!(fields in input).span.join()
    };
    let (mut max, mut wait_ms) = (None, None);
    while !fields.is_empty() {
        let field = fields.call(Ident::parse_any)?;
        match field.to_string().as_str() {
            "max" => once(&mut max, &field, number(&fields, 1, MOST)? as u32)?,
            "wait" => once(&mut wait_ms, &field, wait(&text(&fields)?)?)?,
            unknown => {
                let message = format!("no option `{unknown}`: the options of `batch` are {VALID}");
                return Err(Error::new(field.span(), message));
            }
        }
        if !fields.is_empty() {
            fields.parse::<Token![,]>()?;
        }
    }
    match (max, wait_ms) {
        (Some(max), Some(wait_ms)) => Ok(Batch { max, wait_ms }),
        _ => Err(Error::new(
            span,
            "a batch has both, as in `batch(max = 100, wait = \"50ms\")`",
        )),
    }
}

fn wait(literal: &LitStr) -> Result<u64> {
    let ms = values::duration(literal)?;
    match ms {
        1..=LONGEST => Ok(ms),
        _ => Err(Error::new(
            literal.span(),
            "a batch is waited for a minute at most",
        )),
    }
}

impl Batch {
    /// The batch as a value of the SDK's own type.
    pub(crate) fn tokens(&self) -> TokenStream {
        let Self { max, wait_ms } = self;
        quote!(::lovage::Batch { max: #max, wait_ms: #wait_ms })
    }
}

/// What a batched task's function takes for one call, and returns for one.
pub(crate) fn one(function: &Function, item: &ItemFn) -> Result<(Type, Type)> {
    let takes = |span: Span| {
        let message = "a batched task takes one argument, its calls, as in `calls: Vec<Arguments>`: the fields of `Arguments` are what callers send by name";
        Error::new(span, message)
    };
    let [calls] = function.arguments.as_slice() else {
        return Err(takes(item.sig.inputs.span()));
    };
    let call = element(&calls.kind).ok_or_else(|| takes(calls.kind.span()))?;
    let result = element(&function.output).ok_or_else(|| {
        let message =
            "a batched task returns a result for each of its calls, as in `Vec<Result<T, Failure>>`";
        Error::new(item.sig.output.span(), message)
    })?;
    Ok((call, result))
}

/// The `T` of a `Vec<T>`, as it is written.
fn element(kind: &Type) -> Option<Type> {
    let Type::Path(path) = kind else { return None };
    let last = path.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match (last.ident == "Vec", arguments.args.first()) {
        (true, Some(GenericArgument::Type(element))) if arguments.args.len() == 1 => {
            Some(element.clone())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::ToTokens;

    fn parsed(text: &str) -> Result<Batch> {
        let tokens: TokenStream = text.parse().expect("tokens");
        let parser = |input: ParseStream<'_>| parse(input);
        syn::parse::Parser::parse2(parser, tokens)
    }

    fn refused(text: &str) -> String {
        parsed(text).expect_err(text).to_string()
    }

    #[test]
    fn both_spellings() {
        let batch = Batch {
            max: 100,
            wait_ms: 50,
        };
        assert_eq!(parsed(r#"(max = 100, wait = "50ms")"#).unwrap(), batch);
        assert_eq!(parsed(r#"= { wait = "50ms", max = 100, }"#).unwrap(), batch);
    }

    #[test]
    fn what_is_missing_doubled_unknown_or_out_of_bounds() {
        for (text, said) in [
            ("(max = 100)", "has both"),
            (r#"= { wait = "1s" }"#, "has both"),
            ("(max = 1, max = 2)", "given twice"),
            ("(size = 1)", "the options of `batch` are max, wait"),
            (r#"(max = 0, wait = "1s")"#, "from 1 to 1000"),
            (r#"(max = 1001, wait = "1s")"#, "from 1 to 1000"),
            (r#"(max = 1, wait = "0ms")"#, "is not a duration"),
            (r#"(max = 1, wait = "61s")"#, "a minute at most"),
            ("= 100", "expected curly braces"),
        ] {
            assert!(refused(text).contains(said), "{text}: {}", refused(text));
        }
    }

    fn shape(mut item: ItemFn) -> std::result::Result<(String, String), String> {
        let function = Function::read(&mut item).unwrap();
        let (call, result) = one(&function, &item).map_err(|error| error.to_string())?;
        let text = |kind: Type| kind.to_token_stream().to_string();
        Ok((text(call), text(result)))
    }

    #[test]
    fn a_function_from_calls_to_results() {
        let fallible = shape(syn::parse_quote! {
            fn embed(texts: Vec<Text>) -> Vec<Result<f64, Failure>> {}
        });
        assert_eq!(
            fallible.unwrap(),
            ("Text".into(), "Result < f64 , Failure >".into())
        );
        let plain = shape(syn::parse_quote! {
            fn embed(texts: std::vec::Vec<Text>) -> Vec<f64> {}
        });
        assert_eq!(plain.unwrap(), ("Text".into(), "f64".into()));
    }

    #[test]
    fn functions_that_take_or_return_something_else() {
        for item in [
            syn::parse_quote!(
                fn f() -> Vec<u8> {}
            ),
            syn::parse_quote!(
                fn f(a: Vec<A>, b: u8) -> Vec<u8> {}
            ),
            syn::parse_quote!(
                fn f(a: A) -> Vec<u8> {}
            ),
            syn::parse_quote!(
                fn f(a: &[A]) -> Vec<u8> {}
            ),
            syn::parse_quote!(
                fn f(a: HashMap<A, B>) -> Vec<u8> {}
            ),
        ] {
            assert!(shape(item).unwrap_err().contains("calls: Vec<Arguments>"));
        }
        for item in [
            syn::parse_quote!(
                fn f(a: Vec<A>) {}
            ),
            syn::parse_quote!(
                fn f(a: Vec<A>) -> Result<Vec<u8>, Failure> {}
            ),
        ] {
            assert!(shape(item).unwrap_err().contains("for each of its calls"));
        }
    }
}
