//! What stands in the parentheses of `#[task(…)]`. An option that is unknown, doubled or wrong is refused at its span.

use crate::batch::{self, Batch};
use crate::schedule::{self, Schedule};
use crate::values::{self, Conflict, Rate, Until};
use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Error, LitBool, LitFloat, LitInt, LitStr, Result, Token};

const VALID: &str = "name, queue, priority, retries, backoff, max_age, retry_exhausted, timeout, soft_timeout, \
    expires, result_ttl, unique, on_conflict, fuel, memory, rate, concurrency, batch";
const VALID_BACKOFF: &str = "base, factor, max";

/// How the waits between attempts grow. What an author leaves out is the host's own default, spelled out, since the
/// contract knows a backoff only as a whole.
#[derive(Debug, PartialEq)]
pub(crate) struct Backoff {
    pub(crate) base_ms: u64,
    pub(crate) factor: f64,
    pub(crate) max_ms: u64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            base_ms: 5_000,
            factor: 3.0,
            max_ms: 3_600_000,
        }
    }
}

/// The options that an author set.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) name: Option<String>,
    pub(crate) queue: Option<String>,
    pub(crate) priority: Option<u8>,
    /// Runs in all: one more than the author's `retries`.
    pub(crate) max_attempts: Option<u32>,
    pub(crate) backoff: Option<Backoff>,
    pub(crate) max_age_ms: Option<u64>,
    pub(crate) retry_exhausted: Option<bool>,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) soft_timeout_ms: Option<u64>,
    pub(crate) expiry_ms: Option<u64>,
    pub(crate) result_ttl_ms: Option<u64>,
    pub(crate) unique: Option<Until>,
    pub(crate) on_conflict: Option<Conflict>,
    pub(crate) fuel: Option<u64>,
    pub(crate) memory: Option<u64>,
    pub(crate) rate: Option<Rate>,
    pub(crate) concurrency: Option<u32>,
    /// That calls of the task are collected.
    pub(crate) batch: Option<Batch>,
    /// When the task is called by itself.
    pub(crate) schedule: Schedule,
}

impl Parse for Options {
    fn parse(input: ParseStream) -> Result<Self> {
        let mut options = Self::default();
        let mut conflict_at = None;
        while !input.is_empty() {
            let option = input.call(Ident::parse_any)?;
            options.set(&option, input)?;
            if option == "on_conflict" {
                conflict_at = Some(option.span());
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        options.schedule.check()?;
        match conflict_at.filter(|_| options.unique.is_none()) {
            Some(span) => Err(Error::new(
                span,
                "`on_conflict` says nothing without `unique`",
            )),
            None => Ok(options),
        }
    }
}

impl Options {
    fn set(&mut self, option: &Ident, input: ParseStream) -> Result<()> {
        if self.schedule.set(option, input)? {
            return Ok(());
        }
        match option.to_string().as_str() {
            "name" => once(&mut self.name, option, name(input)?),
            "queue" => once(&mut self.queue, option, queue(input)?),
            "priority" => once(&mut self.priority, option, number(input, 0, 9)? as u8),
            // One less than the type holds, for the first run.
            "retries" => once(
                &mut self.max_attempts,
                option,
                number(input, 0, u64::from(u32::MAX) - 1)? as u32 + 1,
            ),
            "backoff" => once(&mut self.backoff, option, backoff(input)?),
            "max_age" => once(&mut self.max_age_ms, option, span(input)?),
            "retry_exhausted" => once(&mut self.retry_exhausted, option, yes_or_no(input)?),
            "timeout" => once(&mut self.timeout_ms, option, span(input)?),
            "soft_timeout" => once(&mut self.soft_timeout_ms, option, span(input)?),
            "expires" => once(&mut self.expiry_ms, option, span(input)?),
            "result_ttl" => once(&mut self.result_ttl_ms, option, span(input)?),
            "unique" => once(&mut self.unique, option, values::until(&text(input)?)?),
            "on_conflict" => once(
                &mut self.on_conflict,
                option,
                values::conflict(&text(input)?)?,
            ),
            "fuel" => once(&mut self.fuel, option, number(input, 1, u64::MAX)?),
            "memory" => once(&mut self.memory, option, values::size(&text(input)?)?),
            "rate" => once(&mut self.rate, option, values::rate(&text(input)?)?),
            "concurrency" => once(
                &mut self.concurrency,
                option,
                number(input, 1, u64::from(u32::MAX))? as u32,
            ),
            "batch" => once(&mut self.batch, option, batch::parse(input)?),
            unknown => Err(Error::new(
                option.span(),
                format!(
                    "no option `{unknown}`: the options are {VALID}, {}",
                    schedule::VALID
                ),
            )),
        }
    }

    /// The options as a value of the SDK's own type.
    pub(crate) fn tokens(&self) -> TokenStream {
        let queue = optional(&self.queue);
        let priority = optional(&self.priority);
        let max_attempts = optional(&self.max_attempts);
        let max_age_ms = optional(&self.max_age_ms);
        let retry_exhausted = optional(&self.retry_exhausted);
        let timeout_ms = optional(&self.timeout_ms);
        let soft_timeout_ms = optional(&self.soft_timeout_ms);
        let expiry_ms = optional(&self.expiry_ms);
        let result_ttl_ms = optional(&self.result_ttl_ms);
        let conflict = self.on_conflict.unwrap_or_default().tokens();
        let unique = optional(&self.unique.map(|until| {
            let until = until.tokens();
            quote!(::lovage::Unique { until: #until, conflict: #conflict })
        }));
        let fuel = optional(&self.fuel);
        let memory = optional(&self.memory);
        let concurrency = optional(&self.concurrency);
        let batch = optional(&self.batch.as_ref().map(Batch::tokens));
        let backoff = optional(&self.backoff.as_ref().map(
            |Backoff {
                 base_ms,
                 factor,
                 max_ms,
             }| {
                quote!(::lovage::Backoff { base_ms: #base_ms, factor: #factor, max_ms: #max_ms })
            },
        ));
        let rate = optional(&self.rate.as_ref().map(|Rate { count, period_ms }| {
            quote!(::lovage::Rate { count: #count, period_ms: #period_ms })
        }));
        quote! {
            ::lovage::TaskOptions {
                queue: #queue,
                priority: #priority,
                max_attempts: #max_attempts,
                backoff: #backoff,
                max_age_ms: #max_age_ms,
                retry_exhausted: #retry_exhausted,
                timeout_ms: #timeout_ms,
                soft_timeout_ms: #soft_timeout_ms,
                expiry_ms: #expiry_ms,
                result_ttl_ms: #result_ttl_ms,
                unique: #unique,
                fuel: #fuel,
                memory: #memory,
                rate: #rate,
                concurrency: #concurrency,
                batch: #batch,
            }
        }
    }
}

fn optional<T: quote::ToTokens>(value: &Option<T>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}

pub(crate) fn once<T>(slot: &mut Option<T>, option: &Ident, value: T) -> Result<()> {
    if slot.replace(value).is_some() {
        return Err(Error::new(
            option.span(),
            format!("option `{option}` is given twice"),
        ));
    }
    Ok(())
}

pub(crate) fn text(input: ParseStream) -> Result<LitStr> {
    input.parse::<Token![=]>()?;
    input.parse()
}

/// Milliseconds.
fn span(input: ParseStream) -> Result<u64> {
    values::duration(&text(input)?)
}

fn yes_or_no(input: ParseStream) -> Result<bool> {
    input.parse::<Token![=]>()?;
    Ok(input.parse::<LitBool>()?.value)
}

fn name(input: ParseStream) -> Result<String> {
    let literal = text(input)?;
    values::task_name(&literal.value()).map_err(|message| Error::new(literal.span(), message))?;
    Ok(literal.value())
}

fn queue(input: ParseStream) -> Result<String> {
    let literal = text(input)?;
    if literal.value().is_empty() {
        return Err(Error::new(literal.span(), "a queue has a name"));
    }
    Ok(literal.value())
}

pub(crate) fn number(input: ParseStream, least: u64, most: u64) -> Result<u64> {
    input.parse::<Token![=]>()?;
    let literal: LitInt = input.parse()?;
    let value = literal
        .base10_parse::<u64>()
        .ok()
        .filter(|value| (least..=most).contains(value));
    value.ok_or_else(|| {
        Error::new(
            literal.span(),
            format!("`{literal}` is not a whole number from {least} to {most}"),
        )
    })
}

/// `= "5s"` or `(base = "5s", factor = 3.0, max = "1h")`.
fn backoff(input: ParseStream) -> Result<Backoff> {
    let default = Backoff::default();
    if input.peek(Token![=]) {
        let base_ms = values::duration(&text(input)?)?;
        return Ok(Backoff {
            base_ms,
            max_ms: default.max_ms.max(base_ms),
            ..default
        });
    }
    let fields;
    let parentheses = syn::parenthesized!(fields in input);
    let (mut base, mut factor, mut max) = (None, None, None);
    while !fields.is_empty() {
        let field = fields.call(Ident::parse_any)?;
        match field.to_string().as_str() {
            "base" => once(&mut base, &field, values::duration(&text(&fields)?)?)?,
            "factor" => once(&mut factor, &field, backoff_factor(&fields)?)?,
            "max" => once(&mut max, &field, values::duration(&text(&fields)?)?)?,
            unknown => {
                let message =
                    format!("no option `{unknown}`: the options of `backoff` are {VALID_BACKOFF}");
                return Err(Error::new(field.span(), message));
            }
        }
        if !fields.is_empty() {
            fields.parse::<Token![,]>()?;
        }
    }
    let base_ms = base.unwrap_or(default.base_ms);
    let max_ms = max.unwrap_or(default.max_ms.max(base_ms));
    if max_ms < base_ms {
        return Err(Error::new(
            parentheses.span.join(),
            "a backoff's `max` is at least its `base`",
        ));
    }
    Ok(Backoff {
        base_ms,
        factor: factor.unwrap_or(default.factor),
        max_ms,
    })
}

/// A factor may be written `3` as well as `3.0`. Below 1 the waits would shrink, which no queue wants of a retry.
fn backoff_factor(input: ParseStream) -> Result<f64> {
    input.parse::<Token![=]>()?;
    let (value, span) = if input.peek(LitInt) {
        let literal: LitInt = input.parse()?;
        (literal.base10_parse::<f64>(), literal.span())
    } else {
        let literal: LitFloat = input.parse()?;
        (literal.base10_parse::<f64>(), literal.span())
    };
    let valid = value
        .ok()
        .filter(|value| value.is_finite() && *value >= 1.0);
    valid.ok_or_else(|| Error::new(span, "a backoff's `factor` is a number from 1"))
}

#[cfg(test)]
#[path = "options_tests.rs"]
mod tests;
