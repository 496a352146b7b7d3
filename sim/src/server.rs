//! The provider behind HTTP, on a real socket.

mod answer;
mod chat;
mod completion;
mod embeddings;
mod messages;
mod responses;
mod stream;
mod text;

use crate::config::Config;
use crate::log::{Entry, Summary};
use crate::shared::SharedProvider;
use crate::tokens;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::{get, post};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

/// The largest request body that is read, in bytes.
const LARGEST_BODY: usize = 64 << 20;

/// Starts simulated providers that speak HTTP.
#[derive(Debug)]
pub struct Server;

/// A provider that is listening. Dropping it stops it.
#[derive(Debug)]
pub struct RunningServer {
    addr: SocketAddr,
    provider: SharedProvider,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Server {
    /// Listens on `addr`; port 0 takes a free one.
    ///
    /// It answers `POST` to `/v1/chat/completions`, `/v1/responses`, `/v1/embeddings` and, by Anthropic's protocol, `/v1/messages`;
    /// the first three at Azure's `/openai/v1/...` too, and chats and embeddings at `/openai/deployments/{deployment}/...`, where
    /// the deployment is the model. `GET /sim/summary` and `GET /sim/log` give account. A call is named by its header
    /// `x-sim-request`, a whole number, and else by a hash of its body; see [`Request::id`](crate::Request::id).
    ///
    /// # Errors
    /// If the address cannot be listened on.
    ///
    /// # Examples
    /// ```
    /// use tollgate_sim::{Config, Server};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let server = Server::start(Config { rpm: Some(60), ..Config::default() }, ([127, 0, 0, 1], 0).into()).await?;
    /// println!("POST http://{}/v1/chat/completions", server.addr());
    /// server.shutdown().await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn start(config: Config, addr: SocketAddr) -> io::Result<RunningServer> {
        Self::serve(SharedProvider::new(config), addr).await
    }

    /// As [`start`](Self::start), for a provider that exists already, perhaps with a clock of its own.
    ///
    /// # Errors
    /// If the address cannot be listened on.
    pub async fn serve(provider: SharedProvider, addr: SocketAddr) -> io::Result<RunningServer> {
        tokens::load_encodings();
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(accept(listener, router(provider.clone()), stopped));
        Ok(RunningServer { addr, provider, stop, task })
    }
}

impl RunningServer {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The provider behind it, which may be asked and called in-process too.
    pub fn provider(&self) -> &SharedProvider {
        &self.provider
    }

    /// What its log adds up to so far.
    pub fn summary(&self) -> Summary {
        self.provider.summary()
    }

    /// A copy of its log so far.
    pub fn log(&self) -> Vec<Entry> {
        self.provider.log()
    }

    /// Stops listening and closes every connection, whatever it is doing. Returns when all are closed.
    pub async fn shutdown(self) {
        drop(self.stop);
        // A server that panicked is stopped as well.
        let _ = self.task.await;
    }
}

fn router(provider: SharedProvider) -> Router {
    Router::new()
        .merge(openai("/v1"))
        .merge(openai("/openai/v1"))
        .merge(openai("/openai/deployments/{deployment}"))
        .route("/v1/responses", post(responses::create))
        .route("/openai/v1/responses", post(responses::create))
        .route("/v1/messages", post(messages::create))
        .route(
            "/sim/summary",
            get(async |State(provider): State<SharedProvider>| answer::json(&provider.summary())),
        )
        .route("/sim/log", get(async |State(provider): State<SharedProvider>| answer::json(&provider.log())))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(provider)
}

/// What OpenAI and Azure have in common below `base`.
fn openai(base: &str) -> Router<SharedProvider> {
    Router::new()
        .route(&format!("{base}/chat/completions"), post(chat::complete))
        .route(&format!("{base}/embeddings"), post(embeddings::embed))
}

async fn accept(listener: TcpListener, router: Router, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(talk(stream, router.clone()));
                }
                // Out of file descriptors, most likely: others have to be closed first.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
        }
    }
    connections.shutdown().await;
}

/// Serves one connection. Not `axum::serve`, which could not close it in place of an answer.
async fn talk(stream: TcpStream, router: Router) {
    // Pieces of a stream are to be seen when they are made. Where that cannot be set, they come a little later.
    let _ = stream.set_nodelay(true);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let answer = router.call(request);
        async move {
            match answer.await {
                Ok(response) if response.extensions().get::<answer::HangUp>().is_some() => {
                    Err("hung up on purpose")
                }
                Ok(response) => Ok(response),
                Err(never) => match never {},
            }
        }
    });
    // A client that goes away is no concern of the others.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}
