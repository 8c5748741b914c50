//! How much room the store takes.

use super::harness::TENANT;

/// Bytes of an input: much more than the rest of a record.
const INPUT: usize = 4096;
const JOBS: usize = 500;

broker_test!(
    the_footprint_follows_what_lies_in_the_store,
    |b| async move {
        let empty = b.footprint().await.unwrap();
        let jobs = b.jobs_with(JOBS, |_, job| job.input = vec![7; INPUT].into());
        let ids = b.add(&jobs).await;
        let full = b.footprint().await.unwrap();
        let inputs = (JOBS * INPUT) as u64;
        assert!(full >= empty + inputs, "{empty} to {full}");
        assert!(full <= empty + inputs * 4, "{empty} to {full}");

        b.cancel(TENANT, &ids).await.unwrap();
        b.delete(TENANT, &ids).await.unwrap();
        let emptied = b.footprint().await.unwrap();
        assert!(emptied + inputs / 2 <= full, "{full} to {emptied}");
    }
);
