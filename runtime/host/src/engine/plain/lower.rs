//! From arguments in MessagePack to an image of the memory that a call reads them from
//! (the Canonical ABI, "Storing" and "Flattening").

use std::fmt::Write as _;

use super::glue::IMAGE;
use super::laid::Laid;
use super::pack::{Head, Reader};
use super::shape::{FLAT_PARAMETERS, Flat, Integer, Shape, sequence};
use super::{Function, NOT_FINITE, is_nested};

/// What does not fit, and where.
type Result<T> = std::result::Result<T, String>;

/// Bytes of a value that is passed by itself.
const SLOT: usize = 8;

/// A call's arguments in memory.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) bytes: Vec<u8>,
    /// The address at which the result will lie.
    pub(super) result: u32,
}

impl Function {
    /// As which values its parameters are passed, were they passed one by one.
    pub(super) fn flat_parameters(&self) -> Vec<Flat> {
        let shapes = self.parameters.iter().map(|(_, it)| it);
        shapes.flat_map(Shape::flat).collect()
    }

    /// The image of arguments, which takes no more than `most` bytes.
    pub(super) fn lower(&self, input: &[u8], most: usize) -> Result<Image> {
        let mut lower = Lower {
            input: Reader(input),
            laid: Laid::of(self.parameters.iter().map(|(_, it)| it)),
            image: Vec::new(),
            most,
            path: Vec::new(),
        };
        let flat = self.flat_parameters().len();
        let is_flat = flat <= FLAT_PARAMETERS;
        let size = match is_flat {
            true => SLOT * flat,
            false => sequence(self.parameters.iter().map(|(_, it)| lower.laid.layout(it))).size,
        };
        let at = lower.room(size, SLOT)?;
        lower.fields(&self.parameters, To { at, is_flat })?;
        if !lower.input.is_at_end() {
            return Err("the input goes on after its arguments".into());
        }
        let layout = self.result.as_ref().map(Shape::layout);
        // One value that comes by itself is written as a whole.
        let size = layout.map_or(SLOT, |it| it.size.max(SLOT));
        let result = lower.room(size, SLOT)?;
        Ok(Image {
            bytes: lower.image,
            result: IMAGE + result as u32,
        })
    }
}

/// Where a value goes: into memory, or into slots of values that are passed one by one.
#[derive(Clone, Copy)]
struct To {
    at: usize,
    is_flat: bool,
}

impl To {
    /// Where each of some values goes that lie one after the other.
    fn each<'a>(self, shapes: impl Iterator<Item = &'a Shape>, laid: &Laid) -> Vec<To> {
        let mut at = self.at;
        let place = |shape: &Shape| {
            let here = match self.is_flat {
                true => at,
                false => at.next_multiple_of(laid.layout(shape).align),
            };
            at = here
                + match self.is_flat {
                    true => SLOT * shape.flat().len(),
                    false => laid.layout(shape).size,
                };
            To { at: here, ..self }
        };
        shapes.map(place).collect()
    }
}

/// A step on the way to a value.
enum Step<'s> {
    Name(&'s str),
    Number(usize),
}

struct Lower<'a, 's> {
    input: Reader<'a>,
    laid: Laid,
    image: Vec<u8>,
    most: usize,
    path: Vec<Step<'s>>,
}

impl<'a, 's> Lower<'a, 's> {
    fn value(&mut self, shape: &'s Shape, to: To) -> Result<()> {
        self.spend(1)?;
        match shape {
            Shape::List(element) => self.list(element, to),
            Shape::Tuple(items) => self.tuple(items, to),
            Shape::Record(fields) => self.fields(fields, to),
            Shape::Variant(_) | Shape::Enum(_) | Shape::Result(..) => self.choice(shape, to),
            Shape::Option(some) => self.option(shape, some, to),
            Shape::Flags(names) => self.flags(names, shape, to),
            _ => self.simple(shape, to),
        }
    }

    fn simple(&mut self, shape: &Shape, to: To) -> Result<()> {
        match (shape, self.head()?) {
            (Shape::Bool, Head::Bool(it)) => self.scalar(u64::from(it), 1, to),
            (Shape::Integer(integer), Head::Integer(it)) => self.integer(*integer, it, to)?,
            // To JSON Schema 1.0 is an integer. What is past all of them stays so.
            (Shape::Integer(integer), Head::Float(it)) if it.fract() == 0.0 => {
                self.integer(*integer, it as i128, to)?;
            }
            (Shape::F32, head) => {
                let wide = self.number(head)?;
                let number = wide as f32;
                if number.is_infinite() && wide.is_finite() {
                    return self.wrong(&format!("{wide} is too large for 32 bits"));
                }
                self.scalar(number.to_bits().into(), 4, to);
            }
            (Shape::F64, head) => {
                let number = self.number(head)?;
                self.scalar(number.to_bits(), 8, to);
            }
            (Shape::Char, Head::Text(it)) => {
                let mut chars = it.chars();
                match (chars.next(), chars.next()) {
                    (Some(one), None) => self.scalar(u32::from(one).into(), 4, to),
                    _ => return self.wrong("it must be one character"),
                }
            }
            (Shape::Text, Head::Text(it)) => self.block(it.as_bytes(), to)?,
            (Shape::Bytes, Head::Bytes(it)) => self.block(it, to)?,
            (Shape::Bytes, Head::List(count)) => self.numbers(count, to)?,
            (shape, head) => return self.misfit(shape, head),
        }
        Ok(())
    }

    fn integer(&mut self, integer: Integer, number: i128, to: To) -> Result<()> {
        let [least, most] = integer.range();
        if !(least..=most).contains(&number) {
            return self.wrong(&format!("{number} is not {least} to {most}"));
        }
        // In a register, what is shorter has the sign of all of it.
        let bits = match to.is_flat && integer.size() < 4 {
            true => u64::from(number as i32 as u32),
            false => number as u64,
        };
        self.scalar(bits, integer.size(), to);
        Ok(())
    }

    /// Any number, or the name of one that is not finite.
    fn number(&mut self, head: Head<'_>) -> Result<f64> {
        match head {
            Head::Float(it) => Ok(it),
            Head::Integer(it) => Ok(it as f64),
            Head::Text(name) => match NOT_FINITE.iter().find(|it| it.0 == name) {
                Some((_, number)) => Ok(*number),
                None => self.wrong("it must be a number, `NaN`, `Infinity` or `-Infinity`"),
            },
            other => self.misfit(&Shape::F64, other),
        }
    }

    fn list(&mut self, element: &'s Shape, to: To) -> Result<()> {
        let count = match self.head()? {
            Head::List(count) => count,
            other => return self.wrong(&format!("it must be a list, and is {}", other.what())),
        };
        let layout = self.laid.layout(element);
        let at = self.room(count.saturating_mul(layout.size), layout.align)?;
        self.slice(at, count, to);
        for n in 0..count {
            self.path.push(Step::Number(n));
            let at = at + n * layout.size;
            self.value(element, To { at, is_flat: false })?;
            self.path.pop();
        }
        Ok(())
    }

    /// Bytes that came as numbers.
    fn numbers(&mut self, count: usize, to: To) -> Result<()> {
        let at = self.room(count, 2)?;
        self.slice(at, count, to);
        for n in 0..count {
            match self.head()? {
                Head::Integer(it @ 0..=255) => self.image[at + n] = it as u8,
                _ => return self.wrong("it must be bytes, or a list of numbers from 0 to 255"),
            }
        }
        Ok(())
    }

    fn tuple(&mut self, items: &'s [Shape], to: To) -> Result<()> {
        self.spend(items.len())?;
        match self.head()? {
            Head::List(count) if count == items.len() => {}
            Head::List(count) => {
                let text = format!("it must have {} items, and has {count}", items.len());
                return self.wrong(&text);
            }
            other => return self.wrong(&format!("it must be a list, and is {}", other.what())),
        }
        for (n, (shape, to)) in items
            .iter()
            .zip(to.each(items.iter(), &self.laid))
            .enumerate()
        {
            self.path.push(Step::Number(n));
            self.value(shape, to)?;
            self.path.pop();
        }
        Ok(())
    }

    /// Values by name, in any order. One that may be nothing may be left out: nothing is
    /// zeros, which are there already.
    fn fields(&mut self, fields: &'s [(String, Shape)], to: To) -> Result<()> {
        let count = match self.head()? {
            Head::Map(count) => count,
            other => return self.wrong(&format!("it must be an object, and is {}", other.what())),
        };
        let places = to.each(fields.iter().map(|(_, it)| it), &self.laid);
        self.spend(fields.len())?;
        let (mut given, mut next) = (vec![false; fields.len()], 0);
        for _ in 0..count {
            let name = match self.head()? {
                Head::Text(name) => name,
                other => return self.wrong(&format!("a name in it is {}", other.what())),
            };
            // Most come in order.
            let at_hand = fields.get(next).filter(|(it, _)| it == name).map(|_| next);
            let found = match at_hand {
                Some(n) => Some(n),
                None => {
                    self.spend(fields.len())?;
                    fields.iter().position(|(it, _)| it == name)
                }
            };
            let Some(n) = found else {
                let names: Vec<_> = fields.iter().map(|(it, _)| format!("`{it}`")).collect();
                let name: String = name.chars().take(100).collect();
                let text = format!("there is no `{name}`, but {}", names.join(", "));
                return self.wrong(text.trim_end_matches(", but "));
            };
            next = n + 1;
            self.path.push(Step::Name(&fields[n].0));
            if std::mem::replace(&mut given[n], true) {
                return self.wrong("it is given twice");
            }
            self.value(&fields[n].1, places[n])?;
            self.path.pop();
        }
        let missing = fields.iter().zip(given);
        let mut missing =
            missing.filter(|((_, it), given)| !given && !matches!(it, Shape::Option(_)));
        match missing.next() {
            Some(((name, _), _)) => self.wrong(&format!("`{name}` is missing")),
            None => Ok(()),
        }
    }

    /// A case by its name; one that holds something, as an object of that name alone.
    fn choice(&mut self, shape: &'s Shape, to: To) -> Result<()> {
        let (name, holds) = match self.head()? {
            Head::Text(name) => (name, false),
            Head::Map(1) => match self.head()? {
                Head::Text(name) => (name, true),
                other => return self.wrong(&format!("a name in it is {}", other.what())),
            },
            other => return self.misfit(shape, other),
        };
        let names = shape.case_names();
        self.spend(names.len())?;
        let Some(case) = names.iter().position(|it| *it == name) else {
            let names: Vec<_> = names.iter().map(|it| format!("`{it}`")).collect();
            return self.wrong(&format!("it must be one of {}", names.join(", ")));
        };
        self.scalar(case as u64, shape.tag(), to);
        let payload = shape.case(case).and_then(|it| it.1);
        self.path.push(Step::Name(names[case]));
        match payload {
            Some(payload) if holds => self.value(payload, self.held(shape, to))?,
            Some(_) => return self.wrong("it must hold something: `{\"…\": …}`"),
            // A result of nothing is an object too, of null.
            None if holds => match self.head()? {
                Head::Nil => {}
                other => return self.wrong(&format!("it holds nothing, and not {}", other.what())),
            },
            None => {}
        }
        self.path.pop();
        Ok(())
    }

    /// Nothing, or what it is; which is told apart by a name where that may be nothing too.
    fn option(&mut self, shape: &'s Shape, some: &'s Shape, to: To) -> Result<()> {
        let peeked = self.input.peek().map_err(|_| self.malformed())?;
        if peeked == Head::Nil {
            self.head()?;
            return Ok(());
        }
        if is_nested(some) {
            let has_name = self.head()? == Head::Map(1) && self.head()? == Head::Text("some");
            if !has_name {
                return self.wrong("it must be null, or an object with `some`");
            }
        }
        self.scalar(1, shape.tag(), to);
        let to = self.held(shape, to);
        if !is_nested(some) {
            return self.value(some, to);
        }
        self.path.push(Step::Name("some"));
        self.value(some, to)?;
        self.path.pop();
        Ok(())
    }

    fn flags(&mut self, names: &'s [String], shape: &Shape, to: To) -> Result<()> {
        let count = match self.head()? {
            Head::List(count) => count,
            other => {
                return self.wrong(&format!(
                    "it must be a list of names, and is {}",
                    other.what()
                ));
            }
        };
        let mut bits = 0;
        for _ in 0..count {
            self.spend(names.len())?;
            let flag = match self.head()? {
                Head::Text(name) => names.iter().position(|it| it == name),
                _ => None,
            };
            match flag {
                Some(flag) => bits |= 1 << flag,
                None => {
                    return self.wrong(&format!("each must be one of `{}`", names.join("`, `")));
                }
            }
        }
        let size = self.laid.layout(shape).size;
        self.scalar(bits, size, to);
        Ok(())
    }

    /// Where what a choice holds goes.
    fn held(&self, shape: &Shape, to: To) -> To {
        let after = match to.is_flat {
            true => SLOT,
            false => self.laid.payload_at(shape),
        };
        To {
            at: to.at + after,
            ..to
        }
    }

    fn block(&mut self, bytes: &[u8], to: To) -> Result<()> {
        // As strings they are, which lie at even addresses.
        let at = self.room(bytes.len(), 2)?;
        self.image[at..at + bytes.len()].copy_from_slice(bytes);
        self.slice(at, bytes.len(), to);
        Ok(())
    }

    /// Where a list lies, and how many it has.
    fn slice(&mut self, at: usize, count: usize, to: To) {
        let second = To {
            at: to.at + if to.is_flat { SLOT } else { 4 },
            ..to
        };
        self.scalar(IMAGE as u64 + at as u64, 4, to);
        self.scalar(count as u64, 4, second);
    }

    fn scalar(&mut self, bits: u64, size: usize, to: To) {
        let size = if to.is_flat { SLOT } else { size };
        self.image[to.at..to.at + size].copy_from_slice(&bits.to_le_bytes()[..size]);
    }

    /// More room in the image, all zeros.
    fn room(&mut self, size: usize, align: usize) -> Result<usize> {
        let at = self.image.len().next_multiple_of(align);
        let end = at.saturating_add(size);
        if end > self.most {
            return Err(format!(
                "its arguments take more than {} bytes of memory",
                self.most
            ));
        }
        self.image.resize(end, 0);
        Ok(at)
    }

    fn spend(&self, steps: usize) -> Result<()> {
        let spent = self.laid.spend(steps);
        spent.map_err(|_| "its arguments are too many, of too large types".into())
    }

    fn head(&mut self) -> Result<Head<'a>> {
        self.input.head().map_err(|_| self.malformed())
    }

    fn malformed(&self) -> String {
        format!("the input is no MessagePack{}", self.place())
    }

    fn misfit<T>(&self, shape: &Shape, head: Head<'_>) -> Result<T> {
        self.wrong(&format!(
            "it must be {}, and is {}",
            shape.what(),
            head.what()
        ))
    }

    fn wrong<T>(&self, what: &str) -> Result<T> {
        Err(format!("{what}{}", self.place()))
    }

    /// Where in the arguments, as a JSON Pointer.
    fn place(&self) -> String {
        let mut text = String::new();
        for step in &self.path {
            let _ = match step {
                Step::Name(name) => write!(text, "/{name}"),
                Step::Number(n) => write!(text, "/{n}"),
            };
        }
        match text.is_empty() {
            true => text,
            false => format!(" (at `{text}`)"),
        }
    }
}
