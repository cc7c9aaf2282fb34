//! Searches that go on page after page.

use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::{
    Mapping, Settings,
    index::{Action, Operation},
    versions::Condition,
};

const NOW: u64 = 1_700_000_000_000;

/// Pages that go on behind each other, over several segments, give what one large page gives.
#[test]
fn pages_behind_each_other_overlap_nowhere_and_miss_nothing() {
    let mapping = json!({ "properties": { "tag": { "type": "keyword" } } });
    let mapping = Mapping::read(&mapping).unwrap();
    let index = Index::create("books", "uuid", None, Settings::default(), mapping, NOW).unwrap();
    let index = Arc::new(index);
    let put = |id: &str, source: &str| {
        let action = Action::Put(Bytes::copy_from_slice(source.as_bytes()));
        let condition = Condition::default();
        let put = Operation { id: id.to_owned(), routing: None, condition, action };
        index.write(vec![put], NOW).remove(0).unwrap();
    };
    let mut random = fastrand::Rng::with_seed(5);
    for n in 0..97 {
        let mut source = json!({ "year": 1900 + random.i64(0..9), "title": "code" });
        if random.bool() {
            source["tag"] = json!(["a", "b", "m", "x\u{e9}"][random.usize(0..4)]);
            source["price"] = json!(random.f64() * 3.0 - 1.0);
        }
        put(&n.to_string(), &source.to_string());
        if random.u8(0..20) == 0 {
            index.refresh(NOW).unwrap();
        }
    }
    index.refresh(NOW).unwrap();
    assert!(1 < index.n_segments(), "one segment would prove little");
    let view = View::open(vec![Arc::clone(&index).into()]);
    // What comes later is not seen.
    put("late", r#"{"year":1900}"#);
    index.refresh(NOW).unwrap();
    for sort in [
        json!([]),
        json!(["_doc"]),
        json!(["year"]),
        json!([{ "year": "desc" }]),
        json!(["tag", { "price": "desc" }]),
        json!([{ "tag": "desc" }]),
        json!([{ "tag": { "order": "asc", "missing": "_first" } }]),
        json!([{ "price": { "order": "desc", "missing": "_first" } }]),
        json!([{ "_score": "asc" }, "tag"]),
    ] {
        let body = json!({ "query": { "match": { "title": "code" } }, "sort": sort, "size": 1000 });
        let request = Request { by_place: true, ..Request::read(&body).unwrap() };
        let ids = |request: &Request| {
            let answer = view.search(request, NOW).unwrap();
            assert_eq!(answer.total, 97, "{sort}");
            let ids: Vec<String> = answer.hits.into_iter().map(|it| it.found.id).collect();
            (ids, answer.last)
        };
        let (all, _) = ids(&request);
        assert_eq!(all.len(), 97);
        let mut request = Request { size: 7, ..request };
        let mut seen = Vec::new();
        loop {
            let (page, last) = ids(&request);
            seen.extend(page);
            if last.is_none() {
                break;
            }
            request.after = last;
        }
        assert_eq!(seen, all, "{sort}");
    }
}
