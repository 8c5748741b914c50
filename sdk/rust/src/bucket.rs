//! Buckets of keys with values, which stay from one job to the next.

use crate::{CallError, host};

/// A bucket of the tenant's. The module wants it by [`wants!`](crate::wants): `bucket NAME`; one that was not granted
/// is a [`CallError::Denied`].
///
/// A bucket needs nobody to create it: it is there with its first key. Keys are texts of up to 1 KiB, values bytes of up
/// to 1 MiB, and both count for the tenant's quota of stored bytes. Whatever is written is there for every job that
/// reads it later, on whichever worker, and stays when the job that wrote it fails.
///
/// ```
/// # extern crate lovage_sdk as lovage;
/// use lovage::{bucket::Bucket, testing::Context};
///
/// lovage::wants!["bucket visits"];
///
/// #[lovage::task]
/// fn visit(user: String) -> Result<i64, lovage::Failure> {
///     let visits = Bucket::open("visits")?;
///     Ok(visits.increment(&user, 1)?)
/// }
///
/// let context = Context::new().bucket("visits", [("ann", "41")]);
/// let (result, record) = context.run(|| visit("ann".into()));
/// assert_eq!(result.unwrap(), 42);
/// assert_eq!(record.bucket("visits")["ann"], b"42");
/// ```
#[derive(Debug)]
pub struct Bucket(host::Bucket);

impl Bucket {
    /// The bucket of this name.
    pub fn open(name: &str) -> Result<Self, CallError> {
        host::Bucket::open(name).map(Bucket)
    }

    /// A key's value, if there is such a key.
    pub fn get(&self, key: &str) -> Result<Option<Vec<u8>>, CallError> {
        let found = self.0.get_many(&[key.to_owned()])?;
        Ok(found.into_iter().next().flatten())
    }

    /// Sets a key.
    pub fn set(&self, key: &str, value: impl AsRef<[u8]>) -> Result<(), CallError> {
        self.0
            .set_many(vec![(key.to_owned(), value.as_ref().to_vec())])
    }

    /// Deletes a key, if it is there.
    pub fn delete(&self, key: &str) -> Result<(), CallError> {
        self.0.delete_many(&[key.to_owned()])
    }

    /// Whether there is such a key.
    pub fn exists(&self, key: &str) -> Result<bool, CallError> {
        self.0.exists(key)
    }

    /// The values of keys as they are at one moment, in the order asked for: at most 1,000 of them, of 16 MiB together.
    pub fn get_many(&self, keys: &[&str]) -> Result<Vec<Option<Vec<u8>>>, CallError> {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        self.0.get_many(&keys)
    }

    /// Sets keys, all or none: at most 1,000 of them, of 16 MiB together.
    pub fn set_many(&self, pairs: &[(&str, &[u8])]) -> Result<(), CallError> {
        let pair = |(key, value): &(&str, &[u8])| ((*key).to_owned(), value.to_vec());
        self.0.set_many(pairs.iter().map(pair).collect())
    }

    /// Deletes those of these keys that are there: at most 1,000 of them.
    pub fn delete_many(&self, keys: &[&str]) -> Result<(), CallError> {
        let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
        self.0.delete_many(&keys)
    }

    /// All keys, in the order of their bytes. They are read page by page: one that is set or deleted meanwhile may be
    /// among them or not.
    pub fn keys(&self) -> Keys<'_> {
        Keys {
            bucket: &self.0,
            page: Vec::new().into_iter(),
            next: Some(None),
        }
    }

    /// Adds to the number that a key's value is, in one step, and answers with the sum. A key that is not there counts
    /// as zero; the value is the number in decimal digits.
    pub fn increment(&self, key: &str, by: i64) -> Result<i64, CallError> {
        self.0.increment(key, by)
    }

    /// Sets a key if its value is what is expected, `None` where there should be no such key; whether it was.
    ///
    /// ```
    /// # extern crate lovage_sdk as lovage;
    /// use lovage::{bucket::Bucket, testing::Context};
    ///
    /// /// Only one job at a time is the owner, whoever asks.
    /// fn own(owner: &str) -> Result<bool, lovage::CallError> {
    ///     Bucket::open("owners")?.swap("lamp", None, owner)
    /// }
    ///
    /// let (owned, _) = Context::new().run(|| [own("ann").unwrap(), own("bob").unwrap()]);
    /// assert_eq!(owned, [true, false]);
    /// ```
    pub fn swap(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<bool, CallError> {
        self.0.swap(key, expected, value.as_ref())
    }
}

/// The keys of a bucket; see [`Bucket::keys`].
#[derive(Debug)]
pub struct Keys<'a> {
    bucket: &'a host::Bucket,
    page: std::vec::IntoIter<String>,
    /// Where the next page begins, if there is one.
    next: Option<Option<String>>,
}

impl Iterator for Keys<'_> {
    type Item = Result<String, CallError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(key) = self.page.next() {
                return Some(Ok(key));
            }
            let cursor = self.next.take()?;
            match self.bucket.page(cursor) {
                Ok((keys, next)) => {
                    self.page = keys.into_iter();
                    self.next = next.map(Some);
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
