//! Where the active faults meet an answer.

use std::convert::Infallible;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::Response;
use futures_util::future::{BoxFuture, Either, FutureExt as _};
use tower::{Layer, Service};

use super::FaultSwitch;

/// Applies the active faults to the answers of the routes that it is laid around.
#[derive(Debug, Clone)]
pub struct FaultLayer {
    switch: FaultSwitch,
}

impl FaultLayer {
    pub(super) const fn new(switch: FaultSwitch) -> Self {
        Self { switch }
    }
}

impl<S> Layer<S> for FaultLayer {
    type Service = FaultService<S>;

    fn layer(&self, inner: S) -> FaultService<S> {
        FaultService {
            inner,
            switch: self.switch.clone(),
        }
    }
}

/// A service whose answers the active faults touch.
#[derive(Debug, Clone)]
pub struct FaultService<S> {
    inner: S,
    switch: FaultSwitch,
}

impl<S> Service<Request> for FaultService<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<S::Future, BoxFuture<'static, Result<Response, Infallible>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match self.switch.touching(request.uri().path() == "/health") {
            None => Either::Left(self.inner.call(request)),
            Some(plan) => {
                // The service that was polled ready is the one to call.
                let next = self.inner.clone();
                let ready = std::mem::replace(&mut self.inner, next);
                Either::Right(async move { plan.answer(ready, request).await }.boxed())
            }
        }
    }
}
