//! `lovage flow run`: from a file to a flow.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use lovage_queue::broker::FlowState;
use lovage_queue::flow::{Flow, read_json};
use serde_json::json;

use super::super::Context;
use super::super::exit::Verdict;
use super::{verdict, wait};
use crate::units::{Span, read_key};
use crate::view::decoded;
use crate::view::flows::FlowView;

const EXAMPLES: &str = "\
A file, with all that it may say in docs/flows.md:
    {\"name\": \"report\",
     \"chain\": [
       {\"map\": {\"task\": \"web.fetch\", \"over\": \"url\", \"values\": [\"https://a.example\"]}},
       {\"task\": \"web.index\", \"results\": {\"pages\": \"previous\"}}],
     \"on_error\": {\"task\": \"mail.alarm\", \"results\": {\"what\": \"failures\"}}}

Examples:
    lovage flow run report.json
    lovage flow run report.json --wait --timeout 10m
    generate | lovage flow run -";

/// Run a flow
///
/// Prints its id; with `--wait` its result, once it has completed. All of it is checked
/// first: tasks, arguments, and whether each result can be the argument that it is to be.
/// What is wrong is named by its path, and nothing is made.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Run {
    /// A file of JSON; `-` for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Idempotent: a second run with this key is the first one's flow, for as long as that
    /// one's record is kept
    #[arg(long, value_parser = read_key)]
    key: Option<String>,
    /// Wait for the end
    #[arg(long)]
    wait: bool,
    /// For so long at most [default: 60s]
    #[arg(long, value_name = "SPAN", requires = "wait")]
    timeout: Option<Span>,
}

impl Run {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let mut flow = read(&self.file)?;
        flow.key = self.key;
        let client = context.client().await?;
        let id = client.run_flow(&flow).await?;
        if !self.wait {
            let name = match flow.key {
                // It may be the flow of an earlier run.
                Some(_) => client.flow(id).await?.name,
                None => flow.name,
            };
            let json = json!({"id": id, "name": name});
            return context.out.print(&json, || id.to_string());
        }
        let at_most = self
            .timeout
            .map_or(std::time::Duration::from_secs(60), |it| it.0);
        let status = wait(context, &client, id, at_most).await?;
        let result = match status.state {
            FlowState::Completed => Some(decoded(&client.flow_result(id, None).await?)),
            _ => None,
        };
        let mut json = json!(FlowView::of(&status));
        json["result"] = json!(result);
        context.out.print(&json, || match result {
            Some(result) => format!("{result:#}"),
            None => id.to_string(),
        })?;
        verdict(&client, &status, at_most).await
    }
}

/// The flow that a file describes. Without a name of its own it has the file's.
fn read(path: &Path) -> anyhow::Result<Flow> {
    let usage = |text: String| anyhow::Error::from(Verdict::Usage(text));
    let mut text = String::new();
    let (name, shown) = match path.to_str() {
        Some("-") => ("flow", "standard input".to_owned()),
        _ => {
            let stem = path.file_stem().and_then(|it| it.to_str());
            (stem.unwrap_or("flow"), format!("`{}`", path.display()))
        }
    };
    let read = match path.to_str() {
        Some("-") => std::io::stdin().read_to_string(&mut text),
        _ => std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text)),
    };
    read.map_err(|e| usage(format!("cannot read {shown}: {e}")))?;
    let json = read_json(&text).map_err(|e| usage(format!("{shown} is no JSON: {e}")))?;
    Flow::from_json(json, name).map_err(|e| usage(format!("{shown}: {e}")))
}
