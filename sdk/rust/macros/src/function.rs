//! The function below a `#[task]`: what of it is registered, and which functions cannot be tasks.

use crate::values;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, Expr, ExprLit, FnArg, ItemFn, Lit, Meta, Pat, Result, ReturnType, Type,
};

/// One argument of a task.
pub(crate) struct Argument {
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) kind: Type,
}

/// What a task's function says of itself.
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) output: Type,
}

impl Function {
    /// Reads `item`, and takes off its arguments the doc comments that the compiler would refuse there.
    pub(crate) fn read(item: &mut ItemFn) -> Result<Self> {
        refuse_modifiers(item)?;
        let mut arguments = Vec::new();
        for input in &mut item.sig.inputs {
            arguments.push(argument(input)?);
        }
        let output = match &item.sig.output {
            ReturnType::Default => syn::parse_quote!(()),
            ReturnType::Type(_, output) => {
                refuse_impl(output)?;
                Type::clone(output)
            }
        };
        Ok(Self {
            name: item.sig.ident.unraw().to_string(),
            doc: doc(&item.attrs),
            arguments,
            output,
        })
    }

    /// The name a task has when its author gives none: the function's.
    pub(crate) fn checked_name(&self, item: &ItemFn) -> Result<String> {
        let hint = |message| format!("{message}; give one with `name = \"…\"`");
        values::task_name(&self.name)
            .map_err(|message| Error::new(item.sig.ident.span(), hint(message)))?;
        Ok(self.name.clone())
    }
}

fn refuse_modifiers(item: &ItemFn) -> Result<()> {
    let signature = &item.sig;
    let refuse = |span, message: &str| Err(Error::new(span, message));
    if let Some(token) = &signature.asyncness {
        return refuse(
            token.span(),
            "a task runs alone in its instance and has nothing to await: leave out `async`",
        );
    }
    if let Some(token) = &signature.unsafety {
        return refuse(
            token.span(),
            "a task is called with whatever a caller sent: it cannot be `unsafe`",
        );
    }
    if let Some(abi) = &signature.abi {
        return refuse(
            abi.span(),
            "a task is called by the SDK: leave out `extern`",
        );
    }
    if !signature.generics.params.is_empty() {
        return refuse(
            signature.generics.span(),
            "a task has a schema: it cannot be generic",
        );
    }
    Ok(())
}

fn argument(input: &mut FnArg) -> Result<Argument> {
    let typed = match input {
        FnArg::Typed(typed) => typed,
        FnArg::Receiver(receiver) => {
            return Err(Error::new(
                receiver.span(),
                "a task is a function, not a method",
            ));
        }
    };
    let name = match &*typed.pat {
        Pat::Ident(pattern) if pattern.by_ref.is_none() && pattern.subpat.is_none() => {
            pattern.ident.unraw().to_string()
        }
        pattern => {
            return Err(Error::new(
                pattern.span(),
                "a task's arguments go by name: write a plain name here",
            ));
        }
    };
    refuse_impl(&typed.ty)?;
    let doc = doc(&typed.attrs);
    typed
        .attrs
        .retain(|attribute| !attribute.path().is_ident("doc"));
    Ok(Argument {
        name,
        doc,
        kind: Type::clone(&typed.ty),
    })
}

fn refuse_impl(kind: &Type) -> Result<()> {
    match kind {
        Type::ImplTrait(_) => Err(Error::new(
            kind.span(),
            "a task has a schema: name the type",
        )),
        _ => Ok(()),
    }
}

/// A doc comment as Markdown, without the space that follows its slashes.
fn doc(attributes: &[Attribute]) -> String {
    let mut lines = Vec::new();
    for attribute in attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("doc"))
    {
        if let Meta::NameValue(value) = &attribute.meta {
            if let Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            }) = &value.value
            {
                lines.extend(
                    text.value()
                        .lines()
                        .map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end().to_owned()),
                );
                // An empty `///` has no line of its own in `lines()`, and is a paragraph's end.
                if text.value().is_empty() {
                    lines.push(String::new());
                }
            }
        }
    }
    lines.join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::ToTokens;

    fn read(mut item: ItemFn) -> Result<Function> {
        Function::read(&mut item)
    }

    fn refused(item: ItemFn) -> String {
        read(item).err().expect("a refusal").to_string()
    }

    #[test]
    fn arguments_and_docs() {
        let mut item: ItemFn = syn::parse_quote! {
            /// Makes a thumbnail.
            ///
            /// And more.
            fn thumbnail(#[doc = " The picture."] image: Bytes, mut max_side: u32, r#type: &str) -> Result<Thumbnail, Failure> {}
        };
        let function = Function::read(&mut item).unwrap();
        assert_eq!(function.name, "thumbnail");
        assert_eq!(function.doc, "Makes a thumbnail.\n\nAnd more.");
        let names: Vec<_> = function
            .arguments
            .iter()
            .map(|argument| argument.name.as_str())
            .collect();
        assert_eq!(names, ["image", "max_side", "type"]);
        assert_eq!(function.arguments[0].doc, "The picture.");
        let arguments = item.sig.inputs.to_token_stream().to_string();
        assert!(!arguments.contains("doc"), "{arguments}");
    }

    #[test]
    fn no_return_type_is_the_unit() {
        let function = read(syn::parse_quote!(
            fn tidy() {}
        ))
        .unwrap();
        assert_eq!(function.output.to_token_stream().to_string(), "()");
    }

    #[test]
    fn functions_that_cannot_be_tasks() {
        assert!(
            refused(syn::parse_quote!(
                async fn f() {}
            ))
            .contains("leave out `async`")
        );
        assert!(
            refused(syn::parse_quote!(
                unsafe fn f() {}
            ))
            .contains("cannot be `unsafe`")
        );
        assert!(
            refused(syn::parse_quote!(
                extern "C" fn f() {}
            ))
            .contains("leave out `extern`")
        );
        assert!(
            refused(syn::parse_quote!(
                fn f<T>(value: T) {}
            ))
            .contains("cannot be generic")
        );
        assert!(
            refused(syn::parse_quote!(
                fn f(&self) {}
            ))
            .contains("not a method")
        );
        assert!(
            refused(syn::parse_quote!(
                fn f((a, b): (u8, u8)) {}
            ))
            .contains("go by name")
        );
        assert!(
            refused(syn::parse_quote!(
                fn f(value: impl Into<u8>) {}
            ))
            .contains("name the type")
        );
        assert!(
            refused(syn::parse_quote!(
                fn f() -> impl Iterator {}
            ))
            .contains("name the type")
        );
    }

    #[test]
    fn a_name_that_is_none_asks_for_one() {
        let mut item: ItemFn = syn::parse_quote!(
            fn Thumbnail() {}
        );
        let message = Function::read(&mut item)
            .unwrap()
            .checked_name(&item)
            .unwrap_err()
            .to_string();
        assert!(
            message.ends_with("give one with `name = \"…\"`"),
            "{message}"
        );
    }
}
