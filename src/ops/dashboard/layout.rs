//! The frame of every page, and the pages that only say what is wrong.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::assets::{script_path, style_path};
use super::form::WORD;
use super::session::Visit;
use crate::operator::ActError;
use crate::ops::auth::Role;
use crate::ops::problem::Problem;
use crate::ports::LedgerError;

/// A small drawing for the tab: an arrow that goes back.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='3' fill='%23175ea8'/%3E%3Cpath d='M7 4 3.5 7.500 7 11M4 7.500h5a3 3 0 0 1 0 6' fill='none' stroke='white' stroke-width='1.600'/%3E%3C/svg%3E";

/// What stands in the frame.
#[derive(Debug)]
pub(super) struct Page<'a> {
    /// The title of the tab.
    pub(super) title: &'a str,
    /// The path of the entry of the navigation that is marked.
    pub(super) here: &'a str,
    /// Where its live stream is.
    pub(super) live: Option<String>,
    /// What stands in `main`.
    pub(super) main: Markup,
}

impl Page<'_> {
    /// The page for somebody.
    pub(super) fn show(self, visit: &Visit) -> Response {
        self.show_as(StatusCode::OK, Some(visit))
    }

    /// The same with another status, or for nobody in particular.
    pub(super) fn show_as(self, status: StatusCode, visit: Option<&Visit>) -> Response {
        let text = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) }
                    link rel="icon" href=(PreEscaped(ICON));
                    link rel="stylesheet" href=(style_path());
                    script src=(script_path()) defer {}
                }
                body data-live=[self.live] {
                    a.skip href="#main" { "Skip to the content" }
                    (head(visit, self.here))
                    p #connection role="status" hidden {}
                    main #main tabindex="-1" { (self.main) }
                    footer { "refundd " (env!("CARGO_PKG_VERSION")) " · all times are UTC" }
                }
            }
        };
        let mut response = Response::new(Body::from(text.into_string()));
        *response.status_mut() = status;
        let kind = HeaderValue::from_static("text/html; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}

fn head(visit: Option<&Visit>, here: &str) -> Markup {
    let entries =
        [("/", "Overview"), ("/refunds", "Refunds"), ("/pause", "Pauses"), ("/audit", "Audit")];
    html! {
        header.top {
            a.name href="/" { "refundd" }
            @if let Some(visit) = visit {
                nav aria-label="Pages" {
                    ul {
                        @for (path, name) in entries {
                            li { a href=(path) aria-current=[(path == here).then_some("page")] { (name) } }
                        }
                    }
                }
                div.who {
                    span { (visit.caller.who) " · may " (visit.caller.role.as_str()) }
                    @if visit.session.is_some() {
                        form method="post" action="/logout" {
                            (word(visit))
                            button.plain type="submit" { "Sign out" }
                        }
                    }
                }
            }
        }
    }
}

/// The hidden field that every form carries.
pub(super) fn word(visit: &Visit) -> Markup {
    html! { input type="hidden" name=(WORD) value=(visit.form_word); }
}

/// Whether somebody may act, so that buttons are worth showing.
pub(super) fn may_act(visit: &Visit) -> bool {
    visit.caller.role >= Role::Operate
}

/// The field in which every action is given its reason.
pub(super) fn reason_field() -> Markup {
    html! {
        label for="reason" { "Why " span.quiet { "(stands in the audit trail, at most 500 characters)" } }
        textarea #reason name="reason" required maxlength="500" rows="2" autocomplete="off" {}
    }
}

/// Goes to another page with `GET`.
pub(super) fn go(to: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(to) = HeaderValue::from_str(to) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    response
}

/// A page that could not be shown, or a form that could not be done.
#[derive(Debug)]
pub(super) struct Failed(Box<Problem>);

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl From<ActError> for Failed {
    fn from(err: ActError) -> Self {
        Problem::from(err).into()
    }
}

impl From<LedgerError> for Failed {
    fn from(err: LedgerError) -> Self {
        Problem::from(err).into()
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let problem = *self.0;
        let main = html! {
            div.banner.bad role="alert" {
                h1 { (problem.title) }
                p { (problem.detail) }
            }
            p { a href="/" { "Back to the overview" } }
        };
        let title = format!("▲ {} – refundd", problem.title);
        let status = problem.status;
        let wait = problem.retry_after_s;
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let page = Page { title: &title, here: "", live: None, main };
        let mut response = page.show_as(status, None);
        if let Some(wait_s) = wait {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait_s));
        }
        response
    }
}
