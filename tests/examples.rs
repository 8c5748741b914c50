//! The examples as their README has it: compiled from their source, pushed, and
//! called on the real files beside them.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::site::{Site, text};
use crate::support::wasm::{Examples, root};

async fn push(site: &Site, name: &str) {
    let examples = tokio::task::spawn_blocking(Examples::build).await.unwrap();
    let component = examples.component(name);
    site.lovage(&["push", text(&component)]).await.ok();
}

fn photos() -> Vec<PathBuf> {
    let folder = root().join("examples/images/photos");
    let files = std::fs::read_dir(folder).unwrap();
    let mut photos: Vec<_> = files
        .map(|file| file.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|it| it == "jpg" || it == "png")
        })
        .collect();
    photos.sort();
    photos
}

/// A picture's size by its own header, read without the crate that wrote it.
fn size(picture: &Path) -> (&'static str, u32, u32) {
    let bytes = std::fs::read(picture).unwrap();
    let wide = |at: usize| u32::from(bytes[at]) << 8 | u32::from(bytes[at + 1]);
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        let word = |at: usize| wide(at) << 16 | wide(at + 2);
        return ("png", word(16), word(20));
    }
    assert!(bytes.starts_with(&[0xff, 0xd8]), "{}", picture.display());
    // Segment by segment to the frame's header, baseline or progressive.
    let mut at = 2;
    while !matches!(bytes[at + 1], 0xc0..=0xc2) {
        at += 2 + wide(at + 2) as usize;
    }
    ("jpeg", wide(at + 7), wide(at + 5))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thumbnails_of_real_photographs() {
    const SIDE: u32 = 160;
    let site = Site::sqlite();
    push(&site, "images").await;
    let _worker = site.worker(&[]).await;
    let photos = photos();
    assert!(photos.len() >= 4, "{photos:?}");
    for photo in photos {
        let (format, width, height) = size(&photo);
        let image = format!("image@{}", photo.display());
        let probed = ["call", "images.probe", &image, "--wait", "--json"];
        let probed = site.lovage(&probed).await.ok().json();
        let result = &probed["result"];
        let said = [&result["format"], &result["width"], &result["height"]];
        assert_eq!(said, [&json!(format), &json!(width), &json!(height)]);

        let name = photo.file_name().unwrap().to_str().unwrap();
        let (save, side) = (format!("image={name}"), format!("max_side={SIDE}"));
        let call = ["call", "images.thumbnail", &image, &side];
        let options = ["--wait", "--json", "--save", &save];
        let job = site
            .lovage(&[&call[..], &options].concat())
            .await
            .ok()
            .json();
        let (made, w, h) = size(&site.work().join(name));
        assert_eq!(made, format, "{name}");
        assert_eq!(w.max(h), SIDE, "{name}: {w}x{h}");
        // The proportions are kept to the pixel.
        let exact = f64::from(width.min(height)) * f64::from(SIDE) / f64::from(width.max(height));
        assert!(
            (f64::from(w.min(h)) - exact).abs() <= 1.0,
            "{name}: {w}x{h}"
        );
        assert_eq!(w > h, width > height, "{name}");
        let attempt = &job["attempts"][0];
        assert!(attempt["fuel"].as_u64() > Some(1_000_000), "{attempt}");
        assert!(attempt["peak_memory"].as_u64() > Some(1 << 20), "{attempt}");
    }
    let jobs = site
        .lovage(&["jobs", "--state", "completed", "--json"])
        .await
        .ok()
        .json();
    assert_eq!(jobs.as_array().unwrap().len(), 8);

    site.write("no.png", "this is no picture");
    let call = ["call", "images.probe", "image@no.png", "--wait", "--json"];
    let failed = site
        .lovage(&call)
        .await
        .fails(1, &["discarded: failed"])
        .json();
    assert_eq!(
        failed["attempts"][0]["failure"]["kind"], "image",
        "{failed}"
    );
}

/// How often a word stands in a text that has no other letters in its words.
fn count(text: &str, word: &str) -> usize {
    text.split(|c: char| !(c.is_alphanumeric() || c == '\''))
        .filter(|it| it.eq_ignore_ascii_case(word))
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_of_a_real_document() {
    let site = Site::sqlite();
    push(&site, "text").await;
    let _worker = site.worker(&[]).await;
    let path = root().join("examples/text/documents/gpl-3.txt");
    let document = std::fs::read_to_string(&path).unwrap();
    let file = format!("text@{}", path.display());
    let call = [
        "call",
        "text.frequencies",
        &file,
        "top=1000",
        "--wait",
        "--json",
    ];
    let result = site.lovage(&call).await.ok().json()["result"].clone();
    let top = result["top"].as_array().unwrap();
    let told = |word: &str| {
        let entry = top.iter().find(|it| it["word"] == word);
        entry.and_then(|it| it["count"].as_u64()).unwrap_or(0) as usize
    };
    for word in [
        "the",
        "license",
        "copyright",
        "covered",
        "source",
        "warranty",
        "freedom",
    ] {
        let counted = count(&document, word);
        assert!(counted > 0, "{word}");
        assert_eq!(told(word), counted, "{word}");
    }
    assert_eq!(top[0], json!({"word": "the", "count": 345}));
    let counts: Vec<_> = top.iter().map(|it| it["count"].as_u64()).collect();
    assert!(
        counts.is_sorted_by(|a, b| a >= b),
        "the most frequent first"
    );

    let call = ["call", "text.count", &file, "--wait", "--json"];
    let counted = site.lovage(&call).await.ok().json()["result"].clone();
    let of = |key: &str| counted.get(key).and_then(Value::as_u64).unwrap() as usize;
    assert_eq!(of("bytes"), document.len());
    assert_eq!(of("lines"), document.lines().count());
    assert_eq!(
        of("characters"),
        document.chars().count(),
        "it is plain ASCII"
    );
    assert_eq!(counted["words"], result["words"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_of_the_sdk_has_a_schedule_of_its_own() {
    let site = Site::sqlite();
    push(&site, "basics").await;
    let show = ["schedules", "show", "basics.weekly", "--json"];
    let shown = site.lovage(&show).await.ok().json();
    assert_eq!(shown["when"], json!("cron \"0 3 * * SUN\" Europe/Berlin"));
    assert_eq!(shown["owner"], json!("module:basics"));
    assert_eq!(
        (&shown["jitter"], &shown["overlap"], &shown["catch_up"]),
        (&json!("1m"), &json!("skip"), &json!("last"))
    );
    let _worker = site.worker(&[]).await;
    let run = ["schedules", "run", "basics.weekly"];
    let id = site.lovage(&run).await.ok().out;
    let job = site.ends(&[id.trim().parse().unwrap()]).await.remove(0);
    let at = job.call.options.headers["scheduled-for-ms"].clone();
    let result = job.result.as_ref().and_then(|it| it.inline()).unwrap();
    let said: String = rmp_serde::from_slice(result).unwrap();
    assert_eq!(said, at);
}
