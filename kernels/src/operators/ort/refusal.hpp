// refusal.hpp - errors of a graph that does not fit its operators: operator, input, got and wanted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace twinlens::ort {

// An input of an operator, for messages too.
struct Input {
    const char *operation;
    std::size_t index;
    const char *role;
};

inline std::invalid_argument refusal(const std::string &operation, const std::string &place,
                                     const std::string &got, const std::string &wanted) {
    return std::invalid_argument("twinlens." + operation + ": " + place + " is " + got +
                                 ", wanted " + wanted);
}

inline std::invalid_argument refusal(const Input &input, const std::string &got,
                                     const std::string &wanted) {
    return refusal(input.operation,
                   "input " + std::to_string(input.index) + " (" + input.role + ")", got, wanted);
}

// [2, 3]
inline std::string shape_text(const std::vector<std::int64_t> &dims) {
    std::string text = "[";
    for (const std::int64_t side : dims) {
        text += (text.size() > 1 ? ", " : "") + std::to_string(side);
    }
    return text + "]";
}

inline void require_shape(const Input &input, const std::vector<std::int64_t> &got,
                          const std::vector<std::int64_t> &wanted) {
    if (got != wanted) {
        throw refusal(input, "of shape " + shape_text(got), shape_text(wanted));
    }
}

// A text in quotes, cut at 80 characters, on one line.
inline std::string quoted(const std::string &text) {
    constexpr std::size_t most = 80;
    std::string shown = "\"";
    for (const char letter : text.substr(0, most)) {
        shown += letter >= ' ' && letter <= '~' ? letter : '?';
    }
    return shown + (text.size() > most ? "...\"" : "\"");
}

} // namespace twinlens::ort
