//! Brokers that cannot be reached or used, and disks that give no more.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use lovage_queue::job::{JobId, State};

use super::app;
use crate::fixtures::{ECHO, Guest};
use crate::support::disk::{Disk, apart};
use crate::support::site::{Ran, Site, call};

/// Commands that need a broker.
const COMMANDS: [&[&str]; 5] = [
    &["queues"],
    &["call", "app.go", "side=1"],
    &["worker"],
    &["push", "app.wasm"],
    &["jobs", "--json"],
];

/// All of these commands fail with one error that says all of this.
async fn all_fail(site: &Site, said: &[&str]) {
    site.write("app.wasm", app());
    for args in COMMANDS {
        let since = Instant::now();
        let ran = site.lovage(args).await.fails(3, said);
        assert_eq!(ran.out, "", "{args:?}");
        assert!(
            since.elapsed() < Duration::from_secs(20),
            "{:?}",
            since.elapsed()
        );
    }
}

#[tokio::test]
async fn a_redis_that_is_not_there() {
    // Nobody listens there: the others' ports are above.
    let url = "redis://:secret@127.0.0.1:9";
    let site = Site::at(url);
    let place = url.replace(":secret@", "");
    all_fail(
        &site,
        &[
            &place,
            "cannot be reached",
            "hint: `--broker` or LOVAGE_BROKER",
        ],
    )
    .await;
    let said = site.lovage(&["queues"]).await.err;
    assert!(!said.contains("secret"), "{said}");
}

/// Answers as an old server does until the connection ends.
fn old_redis(stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut stream, mut line) = (stream, String::new());
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let parts: usize = line.trim()[1..].parse().unwrap();
        let mut words = Vec::new();
        for _ in 0..parts {
            line.clear();
            reader.read_line(&mut line)?;
            let mut word = vec![0; line.trim()[1..].parse::<usize>().unwrap() + 2];
            reader.read_exact(&mut word)?;
            words.push(String::from_utf8_lossy(&word).trim().to_uppercase());
        }
        let answer = match words[0].as_str() {
            "INFO" => {
                let text = "# Server\r\nredis_version:6.2.0\r\nredis_mode:standalone\r\n";
                format!("${}\r\n{text}\r\n", text.len())
            }
            "CLIENT" => "-ERR Unknown subcommand or wrong number of arguments\r\n".into(),
            _ => "+OK\r\n".into(),
        };
        stream.write_all(answer.as_bytes())?;
    }
}

#[tokio::test]
async fn a_redis_of_the_wrong_version() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // It goes with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(|| old_redis(stream));
        }
    });
    let url = format!("redis://127.0.0.1:{port}");
    let site = Site::at(&url);
    all_fail(
        &site,
        &[&url, "its version is 6.2.0", "needs redis 7.0 or newer"],
    )
    .await;
}

#[tokio::test]
async fn a_server_that_is_no_redis() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let url = format!("redis://127.0.0.1:{port}");
    Site::at(&url).lovage(&["queues"]).await.fails(3, &[&url]);
}

#[tokio::test]
async fn a_url_that_is_none() {
    for url in ["", "postgres://x", "redis:x", "sqlite:", "/a/path"] {
        let site = Site::at(url);
        let said = format!("`{url}` is no broker's URL");
        site.lovage(&["queues"])
            .await
            .fails(2, &[&said, "`sqlite:path`"]);
    }
}

#[tokio::test]
async fn a_path_where_no_database_can_be() {
    let site = Site::sqlite();
    std::fs::create_dir(site.work().join("folder.db")).unwrap();
    site.write(
        "other.db",
        "this is a text, and long enough for a header ".repeat(40),
    );
    let foreign = rusqlite::Connection::open(site.work().join("foreign.db")).unwrap();
    foreign.execute("CREATE TABLE t (x)", []).unwrap();
    for (path, reason) in [
        ("folder.db", "cannot be opened or made"),
        ("nowhere/x.db", "make its directory first"),
        ("/proc/lovage.db", "cannot be opened or made"),
        ("other.db", "no SQLite database"),
        ("foreign.db", "the database of another application"),
    ] {
        let url = format!("sqlite:{path}");
        let args = ["queues", "--broker", &url];
        site.lovage(&args)
            .await
            .fails(3, &[path, "cannot be used", reason]);
    }
    let text = std::fs::read_to_string(site.work().join("other.db")).unwrap();
    assert!(text.starts_with("this is a text"), "it is left alone");
}

async fn enqueue(site: &Site, count: usize) -> Vec<JobId> {
    let mut ids = Vec::new();
    for _ in 0..count {
        let ran = site.lovage(&["call", "app.go", "side=1"]).await.ok();
        ids.push(ran.out.trim().parse().unwrap());
    }
    ids
}

#[tokio::test]
async fn a_read_only_disk() {
    if !apart("cli::brokers::a_read_only_disk") {
        return;
    }
    let disk = Disk::mount(4096);
    let place = format!("sqlite:{}", disk.path().join("lovage.db").display());
    let site = Site::at(&place);
    site.push("app", &app()).await;
    enqueue(&site, 1).await;
    disk.make_read_only();
    all_fail(&site, &[&place, "cannot be used", "write"]).await;
    let other = format!("sqlite:{}", disk.path().join("other.db").display());
    all_fail(&Site::at(&other), &[&other, "cannot be used", "write"]).await;
}

#[tokio::test]
async fn a_full_disk_loses_nothing() {
    if !apart("cli::brokers::a_full_disk_loses_nothing") {
        return;
    }
    let disk = Disk::mount(8192);
    let place = format!("sqlite:{}", disk.path().join("lovage.db").display());
    let site = Site::at(&place);
    site.push("app", &app()).await;
    let before = enqueue(&site, 3).await;
    // A text that does not compress to nothing, as large inputs are packed.
    let letter = || char::from(rand::random_range(b'!'..=b'~'));
    let name: String = (0..1 << 20).map(|_| letter()).collect();
    site.write("name.txt", name);

    // Room for a look, not for a large job.
    disk.fill(256);
    let full = [&*place, "is full", "hint: free some room"];
    let large = ["call", "app.go", "side=1", "name@name.txt"];
    site.lovage(&large).await.fails(3, &full);
    site.lovage(&["job", &before[0].to_string()]).await.ok();
    let jobs = site.lovage(&["jobs", "--json"]).await.ok().json();
    assert_eq!(
        jobs.as_array().unwrap().len(),
        3,
        "nothing is half there: {jobs}"
    );
    disk.make_room();

    // No room at all, but for what the journal keeps for itself.
    disk.fill(0);
    let new = format!("sqlite:{}", disk.path().join("new.db").display());
    let args = ["queues", "--broker", &new];
    site.lovage(&args).await.fails(3, &[&new]);
    site.lovage(&large).await.fails(3, &full);
    disk.make_room();

    let after = enqueue(&site, 1).await;
    let large = site.lovage(&large).await.ok().out;
    let all = [before, after, vec![large.trim().parse().unwrap()]].concat();
    let _worker = site.worker(&[]).await;
    for job in site.ends(&all).await {
        assert_eq!((job.state, job.attempts.len()), (State::Completed, 1));
        assert!(job.result == Some(job.call.input));
    }
    assert_eq!(site.counts().await.completed, 5);
}

#[tokio::test]
async fn a_disk_that_fills_up_under_a_worker_loses_no_result() {
    if !apart("cli::brokers::a_disk_that_fills_up_under_a_worker_loses_no_result") {
        return;
    }
    let disk = Disk::mount(32 << 10);
    let site = Site::at(&format!(
        "sqlite:{}",
        disk.path().join("lovage.db").display()
    ));
    site.push("echo", &Guest::new(ECHO).build()).await;
    // The results take as much room again as the inputs do: larger ones would lie
    // beside the records, and be the same blob as their inputs.
    let text = "x".repeat(60 << 10);
    let calls = (0..60).map(|_| call("echo").arg("text", &text).unwrap());
    let ids = site.enqueue_all(calls.collect()).await;
    disk.fill(1024);
    let mut worker = site.worker(&["--concurrency", "2"]).await;
    worker.says("is full").await;
    assert!(worker.is_alive());
    disk.make_room();
    for job in site.ends(&ids).await {
        assert_eq!(
            (job.state, job.attempts.len()),
            (State::Completed, 1),
            "{}",
            job.call.id
        );
        assert!(job.result == Some(job.call.input), "{}", job.call.id);
    }
    assert!(worker.is_alive());
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_said_to() {
    let site = Site::sqlite();
    site.write(".lovage", "a file where the folder would be");
    let mut command = site.command(["queues"]);
    command.env_remove("LOVAGE_BROKER");
    Ran::of(command, b"")
        .await
        .fails(3, &["cannot make the folder `.lovage`"]);
}
