//! The folder behind the endpoint: what a person, a restart and the program itself do with it.

use std::fs;

use local::{
    clock::Clock,
    s3::{ObjectError, OpenError, S3},
};

use crate::endpoint::Endpoint;

#[tokio::test]
async fn a_person_may_put_files_there() {
    let s3 = Endpoint::start().await;
    fs::create_dir_all(s3.path("by-hand/notes")).unwrap();
    fs::write(s3.path("by-hand/notes/a.txt"), "one").unwrap();
    let get = s3.send("GET /by-hand/notes/a.txt", &[], "").await;
    assert_eq!(get.text(), "one");
    assert_eq!(get.header("etag"), "\"f97c5d29941bfb1b2fdab0874906ab82\"");
    s3.send("PUT /by-hand/notes/b.txt", &[("content-type", "text/plain")], "two").await;
    fs::write(s3.path("by-hand/notes/b.txt"), "three").unwrap();
    let get = s3.send("GET /by-hand/notes/b.txt", &[], "").await;
    assert_eq!(get.text(), "three");
    assert_eq!(get.header("etag"), "\"35d6d33467aae9a2e3dccb4b6b027878\"");
    assert_eq!(s3.send("GET /by-hand", &[], "").await.all("Key"), ["notes/a.txt", "notes/b.txt"]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_leads_nowhere() {
    let s3 = Endpoint::start().await;
    s3.create("books").await;
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink(outside.path(), s3.path("books/folder")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret"), s3.path("books/file")).unwrap();
    assert_eq!(s3.send("GET /books/folder/secret", &[], "").await.code(), "NoSuchKey");
    assert_eq!(s3.send("GET /books/file", &[], "").await.code(), "NoSuchKey");
    assert!(s3.send("GET /books", &[], "").await.all("Key").is_empty());
    assert_eq!(s3.send("PUT /books/folder/new", &[], "abc").await.status, 500);
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let open = || S3::open(folder.path(), Clock::default());
    {
        let s3 = Endpoint::serve(open().unwrap(), folder.path(), Clock::default()).await;
        assert!(matches!(open(), Err(OpenError::InUse { .. })), "one at a time");
        s3.create("books").await;
        s3.send("PUT /books/a", &[("x-amz-meta-a", "1")], "abc").await;
        s3.stop().await;
    }
    let s3 = Endpoint::serve(open().unwrap(), folder.path(), Clock::default()).await;
    let get = s3.send("GET /books/a", &[], "").await;
    assert_eq!((get.text(), get.header("x-amz-meta-a").as_str()), ("abc", "1"));
}

#[tokio::test]
async fn the_program_needs_no_http() {
    let s3 = Endpoint::start().await;
    let it = s3.s3.clone();
    let missing = ObjectError::NoSuchBucket { bucket: "books".to_owned() };
    assert_eq!(it.put_object("books", "a", "text/x", b"{}"), Err(missing.clone()));
    assert_eq!(it.list_keys("books", "", 9), Err(missing));
    assert!(!it.has_bucket("books"));
    it.create_bucket("books").unwrap();
    it.create_bucket("books").unwrap();
    assert!(it.has_bucket("books"));
    assert!(matches!(it.create_bucket("../x"), Err(ObjectError::Refused(_))));
    assert!(matches!(it.put_object("books", "", "text/x", b""), Err(ObjectError::Refused(_))));

    let etag = it.put_object("books", "x/y.json", "text/x", b"{}").unwrap();
    let get = s3.send("GET /books/x/y.json", &[], "").await;
    assert_eq!((get.text(), get.header("content-type").as_str()), ("{}", "text/x"));
    assert_eq!(get.header("etag"), format!("\"{etag}\""));
    assert_eq!(it.get_object("books", "x/y.json").unwrap(), b"{}");
    for n in 0..3 {
        it.put_object("books", &format!("x/{n}"), "text/x", b"").unwrap();
    }
    assert_eq!(it.list_keys("books", "x/", 9).unwrap(), ["x/0", "x/1", "x/2", "x/y.json"]);
    assert_eq!(it.list_keys("books", "x/", 2).unwrap(), ["x/0", "x/1"]);
    it.delete_object("books", "x/y.json").unwrap();
    let gone = ObjectError::NoSuchKey { bucket: "books".to_owned(), key: "x/y.json".to_owned() };
    assert_eq!(it.get_object("books", "x/y.json"), Err(gone));
}
