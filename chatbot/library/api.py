"""All the HTTP of the knowledge base."""

from litestar import Router

from chatbot.library import crawls, documents, embeddings, faqs, playground, sites

ROUTES = Router(
    path="/",
    route_handlers=[
        *documents.HANDLERS,
        *crawls.HANDLERS,
        *faqs.HANDLERS,
        *embeddings.HANDLERS,
        *playground.HANDLERS,
        *sites.HANDLERS,
    ],
)
