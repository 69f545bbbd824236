"""Server of the same twinlens towers in LitServe, batched as its documentation says.

    python -m bench.serving.servers.litserve_towers BUNDLE PORT

Two worker processes, one thread each; a worker takes up to sixteen requests that wait, and waits
for none (batch_timeout 0).
"""

import base64
import sys
from typing import Any

import litserve
import numpy as np

import twinlens

LARGEST_BATCH = 16


class TowersApi(litserve.LitAPI):
    """API with the body and the answer of the other peers."""

    def __init__(self, bundle: str) -> None:
        super().__init__(max_batch_size=LARGEST_BATCH, batch_timeout=0.0, api_path="/v1/embeddings")
        self._bundle = bundle

    def setup(self, device: str) -> None:
        self._model = twinlens.load(self._bundle, device="cpu", threads=1)

    def decode_request(self, request: dict[str, Any]) -> tuple[str, list[Any]]:
        items = request["input"]
        if request.get("modality") == "image":
            return "image", [base64.b64decode(item.partition(",")[2]) for item in items]
        return "text", items

    def batch(self, inputs: list[tuple[str, list[Any]]]) -> list[tuple[str, list[Any]]]:
        return inputs

    def predict(self, wanted: list[tuple[str, list[Any]]]) -> list[np.ndarray]:
        """Embed the texts of all requests at once, and their images at once."""
        found: dict[str, np.ndarray] = {}
        for kind, embed in (("text", self._texts), ("image", self._model.embed_images)):
            items = [item for one, several in wanted for item in several if one == kind]
            if items:
                found[kind] = embed(items)
        rows = []
        starts = dict.fromkeys(found, 0)
        for kind, several in wanted:
            start = starts[kind]
            starts[kind] += len(several)
            rows.append(found[kind][start : start + len(several)])
        return rows

    def unbatch(self, output: list[np.ndarray]) -> list[np.ndarray]:
        return output

    def encode_response(self, output: np.ndarray) -> dict[str, Any]:
        data = [
            {
                "object": "embedding",
                "index": number,
                "embedding": base64.b64encode(row.tobytes()).decode(),
            }
            for number, row in enumerate(output)
        ]
        return {"object": "list", "data": data, "model": "clip"}

    def _texts(self, texts: list[str]) -> np.ndarray:
        return self._model.embed_texts(texts, on_cut="ignore")


if __name__ == "__main__":
    folder, port = sys.argv[1:]
    server = litserve.LitServer(
        TowersApi(folder), accelerator="cpu", workers_per_device=2, timeout=60
    )
    server.run(
        host="127.0.0.1",
        port=int(port),
        generate_client_file=False,
        log_level="warning",
        access_log=False,
    )
