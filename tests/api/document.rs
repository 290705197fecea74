//! The OpenAPI document and the page made of it.

use axum::http::StatusCode;
use serde_json::Value;

use crate::house::House;

/// Every operation of the document: verb, path and what it says.
pub fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().expect("paths");
    let verbs = ["get", "post", "put", "patch", "delete"];
    let of = |(path, item): (&String, &Value)| -> Vec<(String, String, Value)> {
        let known = verbs.iter().filter(|verb| !item[**verb].is_null());
        known.map(|verb| (verb.to_uppercase(), path.clone(), item[*verb].clone())).collect()
    };
    paths.iter().flat_map(of).collect()
}

#[tokio::test]
async fn the_document_is_complete_and_says_so_to_anybody() {
    let house = House::on(crate::support::sqlite().await).await;
    let answer = house.ask("GET", "/api/openapi.json").send().await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/json"));
    let document = answer.json();
    assert_eq!(document, serde_json::to_value(kalends::api::document()).expect("JSON"));

    let mut lines = Vec::new();
    for (verb, path, operation) in operations(&document) {
        let id = operation["operationId"].as_str().expect("an operationId");
        assert!(!operation["summary"].as_str().expect("a summary").is_empty(), "{id}");
        assert_eq!(operation["security"].as_array().map(Vec::len), Some(3), "{id}");
        let responses = operation["responses"].as_object().expect("responses");
        for status in ["400", "401", "405", "429", "500", "503"] {
            let media = responses[status]["content"].as_object().expect(status);
            assert!(media.contains_key("application/problem+json"), "{id} {status}");
        }
        lines.push(format!("{verb:6} {path} {id} {}", responses.keys().cloned().collect::<Vec<_>>().join(" ")));
    }
    insta::assert_snapshot!("operations", lines.join("\n"));

    let text = answer.text();
    for (at, _) in text.match_indices("#/components/schemas/") {
        let rest = &text[at + "#/components/schemas/".len()..];
        let name = &rest[..rest.find('"').expect("an end")];
        assert!(document["components"]["schemas"].get(name).is_some(), "{name} is described");
    }
}

#[tokio::test]
async fn the_page_shows_every_operation_and_loads_nothing_from_elsewhere() {
    let house = House::on(crate::support::sqlite().await).await;
    let page = house.ask("GET", "/api/docs").send().await;
    assert_eq!((page.status, page.header("content-type")), (StatusCode::OK, "text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    let html = page.text();
    let document = house.ask("GET", "/api/openapi.json").send().await.json();
    for (verb, path, operation) in operations(&document) {
        assert!(html.contains(&format!("<span class=\"verb\">{verb}</span> <code>{path}</code>")), "{verb} {path}");
        assert!(html.contains(&format!("id=\"{}\"", operation["operationId"].as_str().expect("an id"))));
    }
    for code in kalends::api::Code::ALL {
        assert!(html.contains(&format!("<code>{}</code>", code.as_str())));
    }
    for foreign in ["<script", "http://", "https://", "style=", "onclick"] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    assert_eq!(house.ask("GET", "/api/docs.css").send().await.header("content-type"), "text/css; charset=utf-8");
}
