//! The embedded OpenSearch endpoint.
/// stub
#[derive(Clone)]
pub struct OpenSearch;
impl OpenSearch {
    pub fn open(_: Option<&std::path::Path>, _: crate::clock::Clock) -> Result<Self, String> {
        Ok(OpenSearch)
    }
    pub fn router(&self) -> axum::Router {
        axum::Router::new()
    }
    pub async fn close(&self) {}
}
