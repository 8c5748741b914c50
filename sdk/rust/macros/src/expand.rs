//! What the attributes become. The author's function stays an ordinary one; beside it stands an entry in the module's
//! list of tasks, which decodes the arguments, calls the function and encodes the result.

use crate::function::Function;
use crate::options::Options;
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, Item, ItemFn, Result};

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
    let entry = entry(&name, &function, &options, &item);
    Ok(quote!(#item #entry))
}

fn entry(name: &str, function: &Function, options: &Options, item: &ItemFn) -> TokenStream {
    let Function {
        doc,
        arguments,
        output,
        ..
    } = function;
    let call = &item.sig.ident;
    // A function that a `cfg` leaves out leaves no entry behind.
    let cfgs = item
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"));
    let schedules = options.schedule.tokens();
    let options = options.tokens();
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
    quote! {
        #(#cfgs)*
        const _: () = {
            use ::lovage::__private::{self, Plain as _};

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

            __private::inventory::submit! {
                __private::Task {
                    name: #name,
                    doc: #doc,
                    options: #options,
                    schedules: #schedules,
                    run: __lovage_run,
                    input: __lovage_input,
                    output: __lovage_output,
                }
            }
        };
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
