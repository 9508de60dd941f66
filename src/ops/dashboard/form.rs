//! What a form of ours sends.

use axum::body::Body;
use axum::http::{HeaderMap, header};

use super::session::{Visit, is_word};
use crate::ops::body;
use crate::ops::problem::Problem;
use crate::telemetry::metrics;

/// Largest form, bytes: a hundred refunds with their versions, and a reason.
const FORM_MAX: usize = 32 * 1024;

/// The field with the word that proves where a form came from.
pub(super) const WORD: &str = "form_word";

/// The fields of a form, in order; a form that was read has carried the right word.
#[derive(Debug, Clone, Default)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a form that somebody sent.
    ///
    /// # Errors
    /// [`Problem`] if it is none, too large, or does not carry the word of `visit`.
    pub(super) async fn read(
        headers: &HeaderMap,
        body: Body,
        visit: &Visit,
    ) -> Result<Self, Problem> {
        let form = Self::parse(headers, body).await?;
        if !is_word(form.get(WORD), &visit.form_word) {
            metrics::denied("form");
            tracing::warn!(who = visit.caller.who, "a form without its word was denied");
            return Err(Problem::forbidden(
                "this form is from another session or an earlier run of refundd, nothing was done; go \
                 back, load the page again and repeat it",
            ));
        }
        Ok(form)
    }

    async fn parse(headers: &HeaderMap, body: Body) -> Result<Self, Problem> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let is_form = |kind: &str| {
            let media = kind.split(';').next().unwrap_or_default().trim();
            media.eq_ignore_ascii_case("application/x-www-form-urlencoded")
        };
        if !kind.is_some_and(is_form) {
            return Err(Problem::forbidden(
                "pages take forms only; programs use /v1, see /openapi.json",
            ));
        }
        let bytes = body::bytes(body, FORM_MAX).await?;
        Ok(Self(form_urlencoded::parse(&bytes).into_owned().collect()))
    }

    /// The value of a field; empty if it is not there.
    pub(super) fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(field, _)| field == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// Every value of a field.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// The version that a page showed.
    ///
    /// # Errors
    /// [`Problem`] if it is missing or no number.
    pub(super) fn version(&self) -> Result<u32, Problem> {
        self.get("version").parse().map_err(|_| Problem::invalid("version", "must be a number"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::auth::{Caller, Role};

    async fn read(kind: &str, text: String) -> Result<Form, u16> {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().unwrap())]);
        let caller = Caller { who: "me".to_owned(), role: Role::Operate };
        let visit = Visit { caller, form_word: "right".to_owned(), session: None };
        Form::read(&headers, Body::from(text), &visit).await.map_err(|problem| problem.status)
    }

    #[tokio::test]
    async fn only_a_form_with_the_right_word_is_read() {
        let kind = "application/x-www-form-urlencoded; charset=utf-8";
        let form =
            read(kind, "form_word=right&version=7&item=a&item=b+c".to_owned()).await.unwrap();
        assert_eq!((form.version().unwrap(), form.get("none")), (7, ""));
        assert_eq!(form.all("item").collect::<Vec<_>>(), ["a", "b c"]);
        for text in ["version=7", "form_word=", "form_word=righ", "form_word=wrong&form_word=right"]
        {
            assert_eq!(read(kind, text.to_owned()).await.unwrap_err(), 403, "{text}");
        }
        assert_eq!(read("text/plain", "form_word=right".to_owned()).await.unwrap_err(), 403);
        let large = format!("form_word=right&x={}", "y".repeat(FORM_MAX));
        assert_eq!(read(kind, large).await.unwrap_err(), 413);
        assert!(Form::default().version().is_err());
    }
}
