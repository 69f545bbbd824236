"""Server that a user writes in an hour: FastAPI, Pillow, numpy, a tokenizer, onnxruntime.

    python -m bench.serving.servers.plain GRAPHS TOKENIZER SIDE_PX PORT

GRAPHS is the folder of a plain export after `quantize_dynamic`. FastAPI runs the function in its
pool of 40 threads; both sessions have their defaults.
"""

import base64
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI
from PIL import Image
from pydantic import BaseModel
from tokenizers import Tokenizer

MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


class Wanted(BaseModel):
    """Body of a request."""

    input: list[str] | str
    modality: str = "text"
    encoding_format: str = "float"


def pixels(encoded: bytes, side_px: int) -> np.ndarray:
    image = Image.open(io.BytesIO(encoded)).convert("RGB")
    scale = side_px / min(image.size)
    size = (round(image.width * scale), round(image.height * scale))
    image = image.resize(size, Image.Resampling.BICUBIC)
    left, top = (image.width - side_px) // 2, (image.height - side_px) // 2
    crop = image.crop((left, top, left + side_px, top + side_px))
    return ((np.asarray(crop, np.float32) / 255 - MEAN) / STD).transpose(2, 0, 1)


def app_of(graphs: Path, tokenizer_file: Path, side_px: int) -> FastAPI:
    images = onnxruntime.InferenceSession(graphs / "image.onnx")
    texts = onnxruntime.InferenceSession(graphs / "text.onnx")
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    tokenizer.enable_padding(pad_id=tokenizer.encode("").ids[-1])
    app = FastAPI()

    @app.post("/v1/embeddings")
    def embeddings(wanted: Wanted) -> dict[str, Any]:
        items = [wanted.input] if isinstance(wanted.input, str) else wanted.input
        if wanted.modality == "image":
            decoded = [base64.b64decode(item.partition(",")[2]) for item in items]
            given = np.stack([pixels(one, side_px) for one in decoded])
            (rows,) = images.run(None, {"given": given})
        else:
            ids = np.array([one.ids for one in tokenizer.encode_batch(items)], np.int64)
            (rows,) = texts.run(None, {"given": ids})
        coded = [
            base64.b64encode(row.tobytes()).decode()
            if wanted.encoding_format == "base64"
            else row.tolist()
            for row in rows
        ]
        data = [
            {"object": "embedding", "index": number, "embedding": row}
            for number, row in enumerate(coded)
        ]
        return {"object": "list", "data": data, "model": "clip"}

    @app.get("/ready")
    def ready() -> str:
        return "ok"

    return app


if __name__ == "__main__":
    folder, tokens, side, port = sys.argv[1:]
    uvicorn.run(
        app_of(Path(folder), Path(tokens), int(side)),
        host="127.0.0.1",
        port=int(port),
        log_level="warning",
        access_log=False,
    )
