//! What the attributes become. The author's function stays an ordinary one; beside it stands an entry in the module's
//! list of tasks, which decodes the arguments, calls the function and encodes the result.

use crate::batch;
use crate::function::Function;
use crate::options::Options;
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, Item, ItemFn, Result, Type};

pub(crate) fn task(attribute: TokenStream, item: TokenStream) -> TokenStream {
    // A function that cannot be a task is kept as it stands, or each of its uses would be reported as well.
    expand_task(attribute, item.clone()).unwrap_or_else(|error| {
        let error = error.to_compile_error();
        quote!(#item #error)
    })
}

fn expand_task(attribute: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let mut item: ItemFn = syn::parse2(item)
        .map_err(|error| Error::new(error.span(), "`#[task]` stands above a function"))?;
    let function = Function::read(&mut item)?;
    let options: Options = syn::parse2(attribute)?;
    let name = match &options.name {
        Some(name) => name.clone(),
        None => function.checked_name(&item)?,
    };
    let code = match options.batch {
        Some(_) => batched(&name, batch::one(&function, &item)?, &item),
        None => single(&name, &function, &item),
    };
    let entry = entry(&name, &function.doc, &options, &code, &item);
    Ok(quote!(#item #entry))
}

/// What calls a task's function, and what knows its types.
struct Code {
    functions: TokenStream,
    run_batch: TokenStream,
}

fn entry(name: &str, doc: &str, options: &Options, code: &Code, item: &ItemFn) -> TokenStream {
    // A function that a `cfg` leaves out leaves no entry behind.
    let cfgs = item
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"));
    let schedules = options.schedule.tokens();
    let options = options.tokens();
    let Code {
        functions,
        run_batch,
    } = code;
    quote! {
        #(#cfgs)*
        const _: () = {
            use ::lovage::__private::{self, Plain as _};

            #functions

            __private::inventory::submit! {
                __private::Task {
                    name: #name,
                    doc: #doc,
                    options: #options,
                    schedules: #schedules,
                    run: __lovage_run,
                    run_batch: #run_batch,
                    input: __lovage_input,
                    output: __lovage_output,
                }
            }
        };
    }
}

/// A task whose function takes the arguments of one call.
fn single(name: &str, function: &Function, item: &ItemFn) -> Code {
    let Function {
        arguments, output, ..
    } = function;
    let call = &item.sig.ident;
    let names: Vec<_> = arguments.iter().map(|argument| &argument.name).collect();
    // Names of our own, so that no argument shadows what stands around it.
    let values: Vec<_> = (0..arguments.len())
        .map(|index| format_ident!("__argument_{index}"))
        .collect();
    // At the type's span, so that a type without serde or schema is reported where the author wrote it.
    let takes = arguments.iter().zip(&values).map(|(argument, value)| {
        let (kind, name) = (&argument.kind, &argument.name);
        quote_spanned!(kind.span()=> let #value: #kind = __arguments.take(#name)?;)
    });
    let schemas = arguments.iter().map(|argument| {
        let (kind, name, doc) = (&argument.kind, &argument.name, &argument.doc);
        quote_spanned!(kind.span()=> __schema.argument::<#kind>(#name, #doc);)
    });
    let returned = quote_spanned!(output.span()=> __private::Returned::<#output>::new());
    let functions = quote! {
        fn __lovage_run(input: &[u8]) -> ::core::result::Result<::std::vec::Vec<u8>, ::lovage::Failure> {
            #[allow(unused_mut, unused_variables)]
            let mut __arguments = __private::Arguments::read(#name, &[#(#names),*], input)?;
            #(#takes)*
            #returned.encode(#call(#(#values),*))
        }

        fn __lovage_input(__schema: &mut __private::InputSchema) {
            #(#schemas)*
        }

        fn __lovage_output() -> ::std::string::String {
            #returned.schema()
        }
    };
    let run_batch = quote!(::core::option::Option::None);
    Code {
        functions,
        run_batch,
    }
}

/// A task whose function takes many calls, each of the one type, and returns a result of the other for each.
fn batched(name: &str, (kind, result): (Type, Type), item: &ItemFn) -> Code {
    let call = &item.sig.ident;
    let returned = quote_spanned!(result.span()=> __private::Returned::<#result>::new());
    let run = quote_spanned!(kind.span()=> __private::batch::run::<#kind, #result>);
    let schema = quote_spanned!(kind.span()=> __schema.call::<#kind>(););
    let functions = quote! {
        fn __lovage_run_batch(
            inputs: &[&[u8]],
        ) -> ::std::vec::Vec<::core::result::Result<::std::vec::Vec<u8>, ::lovage::Failure>> {
            #run(#name, inputs, #call, |result| #returned.encode(result))
        }

        fn __lovage_run(input: &[u8]) -> ::core::result::Result<::std::vec::Vec<u8>, ::lovage::Failure> {
            __private::batch::one(__lovage_run_batch, input)
        }

        fn __lovage_input(__schema: &mut __private::InputSchema) {
            #schema
        }

        fn __lovage_output() -> ::std::string::String {
            #returned.schema()
        }
    };
    let run_batch = quote!(::core::option::Option::Some(__lovage_run_batch));
    Code {
        functions,
        run_batch,
    }
}

pub(crate) fn data(attribute: TokenStream, item: TokenStream) -> TokenStream {
    if !attribute.is_empty() {
        let message =
            "`#[data]` takes no options: say more with `#[serde(…)]` and `#[schemars(…)]` below it";
        let error = Error::new(attribute.span(), message).to_compile_error();
        return quote!(#item #error);
    }
    match syn::parse2(item.clone()) {
        Ok(Item::Struct(_) | Item::Enum(_)) => quote! {
            #[derive(::lovage::serde::Serialize, ::lovage::serde::Deserialize, ::lovage::schemars::JsonSchema)]
            #[serde(crate = "::lovage::serde")]
            #[schemars(crate = "::lovage::schemars")]
            #item
        },
        _ => {
            let error = Error::new(
                Span::call_site(),
                "`#[data]` stands above a struct or an enum",
            )
            .to_compile_error();
            quote!(#item #error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(attribute: TokenStream, item: TokenStream) -> String {
        task(attribute, item).to_string()
    }

    #[test]
    fn the_function_stays_as_it_was() {
        let item = quote!(
            fn add(a: i64, b: i64) -> i64 {
                a + b
            }
        );
        assert!(expanded(quote!(), item.clone()).starts_with(&item.to_string()));
    }

    #[test]
    fn an_entry_follows_its_function_under_the_same_cfg() {
        let text = expanded(
            quote!(name = "sum"),
            quote!(
                #[cfg(feature = "x")]
                fn add(a: i64) -> i64 {
                    a
                }
            ),
        );
        assert!(
            text.contains(r#"# [cfg (feature = "x")] const _"#),
            "{text}"
        );
        assert!(text.contains(r#"name : "sum""#), "{text}");
        assert!(
            text.contains("let __argument_0 : i64 = __arguments . take (\"a\")"),
            "{text}"
        );
    }

    #[test]
    fn a_batched_task_is_called_with_many_and_described_by_one() {
        let text = expanded(
            quote!(batch = { max = 10, wait = "5ms" }),
            quote!(
                fn embed(texts: Vec<Text>) -> Vec<Result<f64, Failure>> {
                    todo!()
                }
            ),
        );
        for said in [
            "Batch { max : 10u32 , wait_ms : 5u64 }",
            "__schema . call :: < Text > ()",
            "Returned :: < Result < f64 , Failure > >",
            "Some (__lovage_run_batch)",
        ] {
            assert!(text.contains(said), "{said}: {text}");
        }
        let text = expanded(
            quote!(batch(max = 10, wait = "5ms")),
            quote!(
                fn embed(text: Text) -> f64 {
                    0.0
                }
            ),
        );
        assert!(text.contains("takes one argument, its calls"), "{text}");
    }

    #[test]
    fn a_refusal_keeps_the_function() {
        let text = expanded(
            quote!(retry = 1),
            quote!(
                fn f() {}
            ),
        );
        assert!(
            text.starts_with("fn f () { }") && text.contains("compile_error"),
            "{text}"
        );
        assert!(
            expanded(
                quote!(),
                quote!(
                    struct S;
                )
            )
            .contains("stands above a function")
        );
    }

    #[test]
    fn data_is_a_struct_or_an_enum() {
        assert!(
            data(
                quote!(),
                quote!(
                    struct S;
                )
            )
            .to_string()
            .contains("JsonSchema")
        );
        assert!(
            data(
                quote!(),
                quote!(
                    fn f() {}
                )
            )
            .to_string()
            .contains("above a struct or an enum")
        );
        assert!(
            data(
                quote!(x),
                quote!(
                    struct S;
                )
            )
            .to_string()
            .contains("takes no options")
        );
    }
}
