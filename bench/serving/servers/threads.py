"""Server around the public calls of twinlens, as one writes it today: FastAPI and a thread pool.

python -m bench.serving.servers.threads BUNDLE PORT
"""

import base64
import sys
from typing import Any

import uvicorn
from fastapi import FastAPI

import twinlens
from bench.serving.servers.plain import Wanted


def app_of(bundle: str) -> FastAPI:
    model = twinlens.load(bundle, device="cpu")
    app = FastAPI()

    @app.post("/v1/embeddings")
    def embeddings(wanted: Wanted) -> dict[str, Any]:
        items = [wanted.input] if isinstance(wanted.input, str) else wanted.input
        if wanted.modality == "image":
            rows = model.embed_images([twinlens.from_data_uri(item) for item in items])
        else:
            rows = model.embed_texts(items, on_cut="ignore")
        data = [
            {
                "object": "embedding",
                "index": number,
                "embedding": base64.b64encode(row.tobytes()).decode(),
            }
            for number, row in enumerate(rows)
        ]
        return {"object": "list", "data": data, "model": "clip"}

    @app.get("/ready")
    def ready() -> str:
        return "ok"

    return app


if __name__ == "__main__":
    folder, port = sys.argv[1:]
    uvicorn.run(
        app_of(folder), host="127.0.0.1", port=int(port), log_level="warning", access_log=False
    )
