// inline.hpp - functions that a compiler must, or must not, inline.
#pragma once

#if defined(_MSC_VER)
#define TWINLENS_INLINE __forceinline
#define TWINLENS_NOINLINE __declspec(noinline)
#else
#define TWINLENS_INLINE __attribute__((always_inline)) inline
#define TWINLENS_NOINLINE __attribute__((noinline))
#endif
