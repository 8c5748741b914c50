//! The options of `#[task(…)]` that say when a task is called by itself.

use crate::options::{once, text};
use crate::values;
use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::parse::ParseStream;
use syn::{Error, LitInt, LitStr, Result, Token};

pub(crate) const VALID: &str = "every, cron, tz, jitter, catch_up, overlap";

/// What an author set of them.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    /// Milliseconds.
    every: Option<u64>,
    cron: Option<String>,
    tz: Option<String>,
    /// Milliseconds.
    jitter: Option<u64>,
    catch_up: Option<TokenStream>,
    overlap: Option<TokenStream>,
    /// The option that was read last: what is said of a schedule that is none stands there.
    last: Option<Ident>,
}

impl Schedule {
    /// Reads an option, if it is one of these.
    pub(crate) fn set(&mut self, option: &Ident, input: ParseStream) -> Result<bool> {
        match option.to_string().as_str() {
            "every" => once(&mut self.every, option, every(&text(input)?)?)?,
            "cron" => once(&mut self.cron, option, cron(&text(input)?)?)?,
            "tz" => once(&mut self.tz, option, zone(&text(input)?)?)?,
            "jitter" => once(&mut self.jitter, option, values::duration(&text(input)?)?)?,
            "catch_up" => once(&mut self.catch_up, option, catch_up(input)?)?,
            "overlap" => once(&mut self.overlap, option, overlap(&text(input)?)?)?,
            _ => return Ok(false),
        }
        self.last = Some(option.clone());
        Ok(true)
    }

    /// Refuses what does not go together.
    pub(crate) fn check(&self) -> Result<()> {
        let Some(last) = &self.last else {
            return Ok(());
        };
        let wrong = |message: String| Err(Error::new(last.span(), message));
        match (&self.every, &self.cron) {
            (None, None) => wrong(format!("`{last}` says nothing without `every` or `cron`")),
            (Some(_), Some(_)) => wrong("a task has `every` or `cron`, not both".into()),
            (Some(_), None) if self.tz.is_some() => {
                wrong("`tz` says nothing of `every`, which counts from the epoch".into())
            }
            _ => Ok(()),
        }
    }

    /// The schedules as a slice of the SDK's own type.
    pub(crate) fn tokens(&self) -> TokenStream {
        let trigger = match (&self.every, &self.cron) {
            (Some(ms), _) => quote!(::lovage::Trigger::EveryMs(#ms)),
            (None, Some(line)) => quote!(::lovage::Trigger::Cron(#line)),
            (None, None) => return quote!(&[]),
        };
        let zone = match &self.tz {
            Some(zone) => quote!(::core::option::Option::Some(#zone)),
            None => quote!(::core::option::Option::None),
        };
        let jitter_ms = self.jitter.unwrap_or(0);
        let last = || quote!(::lovage::CatchUp::Last);
        let catch_up = self.catch_up.clone().unwrap_or_else(last);
        let allow = || quote!(::lovage::Overlap::Allow);
        let overlap = self.overlap.clone().unwrap_or_else(allow);
        quote! {
            &[::lovage::Schedule {
                trigger: #trigger,
                zone: #zone,
                jitter_ms: #jitter_ms,
                catch_up: #catch_up,
                overlap: #overlap,
            }]
        }
    }
}

fn every(literal: &LitStr) -> Result<u64> {
    let ms = values::duration(literal)?;
    match ms {
        0..1000 => Err(Error::new(
            literal.span(),
            "a task is called by itself once a second at most",
        )),
        _ => Ok(ms),
    }
}

/// The host reads it in full, at push.
fn cron(literal: &LitStr) -> Result<String> {
    let text = literal.value();
    let fields = text.split_whitespace().count();
    if text.starts_with('@') || fields == 5 || fields == 6 {
        return Ok(text);
    }
    let message = format!(
        "`{text}` is no cron line: it has 5 fields (minute, hour, day, month, weekday) or 6 (a second in front), as in \"0 9 * * MON-FRI\""
    );
    Err(Error::new(literal.span(), message))
}

fn zone(literal: &LitStr) -> Result<String> {
    let text = literal.value();
    if text.is_empty() || text.contains(char::is_whitespace) {
        let message = "a time zone is written as in \"Europe/Berlin\"";
        return Err(Error::new(literal.span(), message));
    }
    Ok(text)
}

fn catch_up(input: ParseStream) -> Result<TokenStream> {
    input.parse::<Token![=]>()?;
    if input.peek(LitInt) {
        let literal: LitInt = input.parse()?;
        let count = literal.base10_parse::<u32>().ok();
        return match count.filter(|count| (1..=1000).contains(count)) {
            Some(count) => Ok(quote!(::lovage::CatchUp::All(#count))),
            None => Err(Error::new(
                literal.span(),
                format!("`{literal}` is not a whole number from 1 to 1000"),
            )),
        };
    }
    let literal: LitStr = input.parse()?;
    match literal.value().as_str() {
        "none" => Ok(quote!(::lovage::CatchUp::None)),
        "last" => Ok(quote!(::lovage::CatchUp::Last)),
        text => Err(Error::new(
            literal.span(),
            format!("`{text}` is neither \"none\", \"last\" nor a number"),
        )),
    }
}

fn overlap(literal: &LitStr) -> Result<TokenStream> {
    match literal.value().as_str() {
        "allow" => Ok(quote!(::lovage::Overlap::Allow)),
        "skip" => Ok(quote!(::lovage::Overlap::Skip)),
        "queue" => Ok(quote!(::lovage::Overlap::Queue)),
        "replace" => Ok(quote!(::lovage::Overlap::Replace)),
        text => Err(Error::new(
            literal.span(),
            format!("`{text}` is not \"allow\", \"skip\", \"queue\" or \"replace\""),
        )),
    }
}
