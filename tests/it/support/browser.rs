//! A real Chromium without a window, driven through chromedriver. Both are gone when it is dropped, and
//! when this process ends in whatever way.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::str::FromStr;

use base64::Engine as _;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::{Method, Url};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::wait_until;

/// The driver and the browsers that it starts are one process group; when the standard input ends, all
/// of it is killed.
const GUARDIAN: &str = r#"
trap '' INT TERM
chromedriver --port=0 >"$DIR/driver.log" 2>&1 &
read -r _
kill -9 0
"#;

/// What a person has asked their system for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Light,
    Dark,
}

impl Scheme {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// One browser with one page, with a profile of its own.
#[derive(Debug)]
pub(crate) struct Browser {
    page: Client,
    guardian: Child,
    _folder: TempDir,
}

/// A command of chromedriver that the standard does not have.
#[derive(Debug)]
struct Own {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Own {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, <Url as FromStr>::Err> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}

impl Browser {
    /// Starts one whose page is that wide, in CSS pixels.
    pub(crate) async fn open(width: u32, scheme: Scheme) -> Self {
        let folder = TempDir::with_prefix("refundd-browser-").expect("a temporary folder");
        let mut command = Command::new("sh");
        command.args(["-c", GUARDIAN]).env("DIR", folder.path()).env("HOME", folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let guardian = command.process_group(0).spawn().expect("a shell to run chromedriver in");
        let mut started = Starting { guardian: Some(guardian), folder: Some(folder) };
        let page = started.connect().await;
        let (guardian, folder) = started.done();
        let browser = Self { page, guardian, _folder: folder };
        let metrics = json!({
            "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500,
        });
        browser.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
        let wish =
            json!({"features": [{"name": "prefers-color-scheme", "value": scheme.as_str()}]});
        browser.devtools("Emulation.setEmulatedMedia", wish).await;
        browser
    }

    /// A command of the browser's own tools.
    pub(crate) async fn devtools(&self, cmd: &str, params: Value) -> Value {
        let body = json!({"cmd": cmd, "params": params});
        let done = self.page.issue_cmd(Own { path: "goog/cdp/execute", body }).await;
        done.unwrap_or_else(|err| panic!("{cmd}: {err}"))
    }

    /// Goes to an address and waits until the page is loaded.
    pub(crate) async fn go(&self, url: &str) {
        self.page.goto(url).await.unwrap_or_else(|err| panic!("{url}: {err}"));
    }

    /// The path of the page, with its query.
    pub(crate) async fn path(&self) -> String {
        let url = self.page.current_url().await.expect("an address");
        url.query().map_or(url.path().to_owned(), |query| format!("{}?{query}", url.path()))
    }

    /// What a script finds on the page; null while the page is being replaced.
    pub(crate) async fn ask(&self, script: &str) -> Value {
        self.page.execute(script, Vec::new()).await.unwrap_or_default()
    }

    /// What can be read in the first element that fits, empty if there is none.
    pub(crate) async fn text(&self, css: &str) -> String {
        match self.page.find(Locator::Css(css)).await {
            Ok(element) => element.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    /// Waits until the first element that fits says `words`, and returns all that it says.
    pub(crate) async fn says(&self, css: &str, words: &str) -> String {
        wait_until(&format!("{css} to say {words:?}"), async || {
            let text = self.text(css).await;
            text.contains(words).then_some(text)
        })
        .await
    }

    /// Waits until a script answers `true`.
    pub(crate) async fn until(&self, what: &str, script: &str) {
        wait_until(what, async || (self.ask(script).await == json!(true)).then_some(())).await;
    }

    /// How many elements fit.
    pub(crate) async fn count(&self, css: &str) -> usize {
        self.page.find_all(Locator::Css(css)).await.expect("a page").len()
    }

    /// Clicks the first element that fits as soon as it is there; it may be replaced meanwhile.
    pub(crate) async fn click(&self, css: &str) {
        wait_until(&format!("{css} to be clicked"), async || {
            self.page.find(Locator::Css(css)).await.ok()?.click().await.ok()
        })
        .await;
    }

    /// Types into the first element that fits.
    pub(crate) async fn type_in(&self, css: &str, text: &str) {
        let field = self.page.find(Locator::Css(css)).await.expect("a field");
        field.clear().await.expect("a field that can be cleared");
        field.send_keys(text).await.expect("a field that takes keys");
    }

    /// Presses keys wherever the focus is.
    pub(crate) async fn press(&self, keys: &str) {
        let focused = self.page.active_element().await.expect("something has the focus");
        focused.send_keys(keys).await.expect("it takes keys");
    }

    /// Keeps what the whole page looks like, for people: `target/screenshots/NAME.png`.
    pub(crate) async fn picture(&self, name: &str) {
        let whole = json!({"format": "png", "captureBeyondViewport": true});
        let taken = self.devtools("Page.captureScreenshot", whole).await;
        let data = taken["data"].as_str().expect("a picture");
        let bytes = base64::engine::general_purpose::STANDARD.decode(data).expect("base64");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
        std::fs::create_dir_all(&folder).expect("a folder for pictures");
        std::fs::write(folder.join(format!("{name}.png")), bytes).expect("a picture on disk");
    }

    /// What the browser has complained about since the last call: scripts that failed, what the content
    /// policy has stopped, what could not be loaded.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let body = json!({"type": "browser"});
        let log = self.page.issue_cmd(Own { path: "se/log", body }).await.expect("a log");
        let bad = |line: &&Value| line["level"] == "SEVERE" || line["level"] == "WARNING";
        let lines = log.as_array().expect("a list of lines").iter().filter(bad);
        lines.map(|line| line["message"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

/// A guardian that is ended even if what it guards never starts.
struct Starting {
    guardian: Option<Child>,
    folder: Option<TempDir>,
}

impl Starting {
    async fn connect(&mut self) -> Client {
        let folder = self.folder.as_ref().expect("not done yet").path().to_owned();
        let port = wait_until("chromedriver to start (Debian: chromium-driver)", async || {
            let log = std::fs::read_to_string(folder.join("driver.log")).ok()?;
            let (_, rest) = log.split_once("started successfully on port ")?;
            rest.split_once('.')?.0.parse::<u16>().ok()
        })
        .await;
        let profile = format!("--user-data-dir={}", folder.join("profile").display());
        let capabilities = json!({
            "goog:chromeOptions": {"args": [
                "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
                "--no-first-run", "--disable-extensions", "--disable-background-networking",
                "--disable-component-update", "--disable-sync", "--disable-breakpad",
                "--no-proxy-server", "--hide-scrollbars", "--window-size=1280,900", profile,
            ]},
            "goog:loggingPrefs": {"browser": "ALL"},
        });
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities.as_object().expect("an object").clone());
        let page = builder.connect(&format!("http://127.0.0.1:{port}")).await;
        page.expect("chromium can be started (Debian: chromium)")
    }

    fn done(mut self) -> (Child, TempDir) {
        (self.guardian.take().expect("one"), self.folder.take().expect("one"))
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(guardian) = &mut self.guardian {
            end(guardian);
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        end(&mut self.guardian);
    }
}

/// Ends the guardian, and with it all that it has started.
fn end(guardian: &mut Child) {
    drop(guardian.stdin.take());
    let _ = guardian.wait();
}
