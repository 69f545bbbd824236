// features.hpp - what this processor can do, and its system lets programs do.
#pragma once

namespace twinlens {

struct Processor {
    bool avx2 = false;    // with FMA
    bool avxvnni = false; // with AVX2
    bool avx512 = false;  // F, BW, DQ and VL
    bool avx512vnni = false;
    bool amx_int8 = false; // with AMX-TILE; Linux must be asked besides
    bool amx_bf16 = false; // the same, with AVX512-BF16
    bool dotprod = false;  // of ARM
};

const Processor &processor();

} // namespace twinlens
