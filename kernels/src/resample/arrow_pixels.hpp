// arrow_pixels.hpp - pixels of four bytes, borrowed from another library by Arrow's C data
// interface.
//
// The two structures are those of https://arrow.apache.org/docs/format/CDataInterface.html.
#pragma once

#include <cstdint>
#include <cstring>

namespace twinlens {

struct ArrowSchema {
    const char *format;
    const char *name;
    const char *metadata;
    std::int64_t flags;
    std::int64_t n_children;
    ArrowSchema **children;
    ArrowSchema *dictionary;
    void (*release)(ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    std::int64_t length;
    std::int64_t null_count;
    std::int64_t offset;
    std::int64_t n_buffers;
    std::int64_t n_children;
    const void **buffers;
    ArrowArray **children;
    ArrowArray *dictionary;
    void (*release)(ArrowArray *);
    void *private_data;
};

// The first byte of `pixels` lists of four uint8; null if the array is anything else.
inline const std::uint8_t *four_byte_pixels(const ArrowSchema &schema, const ArrowArray &array,
                                            std::int64_t pixels) {
    const auto is = [](const ArrowSchema &part, const char *format) {
        return part.release != nullptr && std::strcmp(part.format, format) == 0;
    };
    if (!is(schema, "+w:4") || schema.n_children != 1 || !is(*schema.children[0], "C")) {
        return nullptr;
    }
    const auto holds = [](const ArrowArray &part, std::int64_t length, std::int64_t n_buffers) {
        return part.length == length && part.null_count == 0 && part.offset == 0 &&
               part.n_buffers == n_buffers;
    };
    if (array.release == nullptr || !holds(array, pixels, 1) || array.n_children != 1 ||
        !holds(*array.children[0], 4 * pixels, 2)) {
        return nullptr;
    }
    return static_cast<const std::uint8_t *>(array.children[0]->buffers[1]);
}

} // namespace twinlens
