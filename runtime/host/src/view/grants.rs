//! What modules were granted, and what their releases want.

use lovage_queue::grant::{Grant, Grants};
use lovage_queue::granted::{Approval, Granted};
use lovage_queue::registry::Release;
use serde::Serialize;
use utoipa::ToSchema;

use super::moment;

/// One thing that a module may reach.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Grant)]
pub struct GrantView {
    /// As in `http GET api.example.com`.
    pub grant: String,
    /// Who approved it.
    pub by: String,
    /// When.
    pub at: String,
}

/// What a module was granted.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Grants)]
pub struct GrantsView {
    /// The module's name.
    pub module: String,
    /// What it was granted.
    pub granted: Vec<GrantView>,
    /// Its newest release, or the one that was asked about; null where it has none.
    pub release: Option<u32>,
    /// What that release wants.
    pub wants: Vec<String>,
    /// What of it was not granted: until it is, the release cannot become active.
    pub awaits: Vec<String>,
}

impl GrantsView {
    /// What is shown of a module's grants beside what a release of it wants.
    pub fn of(module: &str, granted: &Granted, wanted: Option<&(Release, Grants)>) -> Self {
        let one = |(grant, approval): (&Grant, &Approval)| GrantView {
            grant: grant.to_string(),
            by: approval.by.clone(),
            at: moment(approval.at),
        };
        let wants = wanted.map(|(_, wants)| wants.clone()).unwrap_or_default();
        GrantsView {
            module: module.to_owned(),
            granted: granted.iter().map(one).collect(),
            release: wanted.map(|(release, _)| release.number),
            awaits: lines(wants.without(&granted.grants())),
            wants: lines(&wants.0),
        }
    }
}

/// Grants as people read them.
pub fn lines<'a>(grants: impl IntoIterator<Item = &'a Grant>) -> Vec<String> {
    grants.into_iter().map(Grant::to_string).collect()
}
