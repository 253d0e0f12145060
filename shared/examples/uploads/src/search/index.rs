//! The index: a projection of the table, in memory.

use serde::Serialize;
use shared::http::error::ApiError;
use shared::rail::Rail;
use tantivy::collector::TopDocs;
use tantivy::query::{Query, QueryParser};
use tantivy::schema::{Field, STORED, STRING, Schema, TEXT, Value as _};
use tantivy::{IndexReader, IndexWriter, TantivyDocument, Term, doc};
use tokio::task::block_in_place;
use utoipa::ToSchema;

use super::store::{self, Image};

/// The least that an indexing thread works with.
const WRITER_BYTES: usize = 15_000_000;

pub(super) struct Index {
    image_id: Field,
    title: Field,
    tags: Field,
    pub(super) parser: QueryParser,
    reader: IndexReader,
    writer: IndexWriter,
    /// Every transaction below this is in it.
    settled: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Hit {
    image_id: String,
    title: String,
    /// How well it matches, compared with the others.
    score: f32,
}

impl Index {
    pub(super) fn empty() -> tantivy::Result<Self> {
        let mut schema = Schema::builder();
        let image_id = schema.add_text_field("image_id", STRING | STORED);
        let title = schema.add_text_field("title", TEXT | STORED);
        let tags = schema.add_text_field("tags", TEXT);
        let index = tantivy::Index::create_in_ram(schema.build());
        let mut parser = QueryParser::for_index(&index, vec![title, tags]);
        parser.set_conjunction_by_default();
        Ok(Self {
            image_id,
            title,
            tags,
            parser,
            reader: index.reader()?,
            writer: index.writer_with_num_threads(1, WRITER_BYTES)?,
            settled: "0".to_owned(),
        })
    }

    /// Follows the table to what is committed now. After a start that is all of it; the index takes
    /// as much memory as the rows do.
    pub(super) async fn catch_up(&mut self, rail: &Rail) -> Result<(), ApiError> {
        let images = store::unseen_images(&mut *rail.connection().await?, &self.settled).await?;
        if let Some(last) = images.last() {
            block_in_place(|| self.add(&images)).map_err(ApiError::internal)?;
            self.settled.clone_from(&last.settled);
        }
        Ok(())
    }

    /// An image that is known is replaced, so adding it again does no harm.
    fn add(&mut self, images: &[Image]) -> tantivy::Result<()> {
        for image in images {
            let known = Term::from_field_text(self.image_id, &image.image_id);
            self.writer.delete_term(known);
            self.writer.add_document(doc!(
                self.image_id => image.image_id.as_str(),
                self.title => image.title.as_str(),
                self.tags => image.tags.as_str(),
            ))?;
        }
        self.writer.commit()?;
        self.reader.reload()
    }

    /// The best first.
    pub(super) fn find(&self, query: &dyn Query, limit: usize) -> tantivy::Result<Vec<Hit>> {
        let searcher = self.reader.searcher();
        let best = searcher.search(query, &TopDocs::with_limit(limit).order_by_score())?;
        let hit = |(score, address)| {
            let image: TantivyDocument = searcher.doc(address)?;
            let text = |field| Some(image.get_first(field)?.as_str()?.to_owned());
            Ok(Hit {
                image_id: text(self.image_id).unwrap_or_default(),
                title: text(self.title).unwrap_or_default(),
                score,
            })
        };
        best.into_iter().map(hit).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Index;
    use crate::search::store::Image;

    fn image(image_id: &str, title: &str, tags: &str) -> Image {
        Image {
            image_id: image_id.to_owned(),
            title: title.to_owned(),
            tags: tags.to_owned(),
            settled: String::new(),
        }
    }

    fn index() -> Index {
        let mut index = Index::empty().expect("memory");
        let images = [
            image("1", "My new kettle", "copper\nkitchen"),
            image("2", "Kitchen at dawn", "kettle"),
            image("3", "Übung macht den Meister", ""),
        ];
        index.add(&images).expect("memory");
        index
    }

    #[track_caller]
    fn check(index: &Index, query: &str, expected: &[&str]) {
        let query = index.parser.parse_query(query).expect(query);
        let hits = index.find(&*query, 10).expect("memory");
        let mut found: Vec<_> = hits.iter().map(|hit| hit.image_id.as_str()).collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{query:?}");
    }

    #[test]
    fn a_picture_is_found_by_words_of_title_and_tags() {
        let index = index();
        check(&index, "kettle", &["1", "2"]);
        check(&index, "KETTLE", &["1", "2"]);
        check(&index, "kettle copper", &["1"]);
        check(&index, "title:kettle", &["1"]);
        check(&index, "tags:kettle", &["2"]);
        check(&index, "\"new kettle\"", &["1"]);
        check(&index, "\"kettle new\"", &[]);
        check(&index, "übung", &["3"]);
        check(&index, "kettle OR meister", &["1", "2", "3"]);
        check(&index, "teapot", &[]);
    }

    #[test]
    fn a_picture_that_comes_again_is_found_once_and_by_its_new_words() {
        let mut index = index();
        for _ in 0..2 {
            let again = image("1", "My old kettle", "");
            index.add(&[again]).expect("memory");
        }
        check(&index, "old", &["1"]);
        check(&index, "new", &[]);
        check(&index, "copper", &[]);
        check(&index, "kettle", &["1", "2"]);
    }

    #[test]
    fn a_malformed_query_is_refused() {
        let index = index();
        for query in ["\"kettle", "title:(", "kettle AND", "colour:red", "-kettle"] {
            assert!(index.parser.parse_query(query).is_err(), "{query}");
        }
    }
}
