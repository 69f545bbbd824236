"""The major version of transformers: 4 reads some pictures and texts in another way than 5."""

from typing import Final

import transformers

IS_TRANSFORMERS_4: Final = transformers.__version__.startswith("4.")
