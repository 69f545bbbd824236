// check.hpp - the kit of the check programs: expectations, random numbers, a report.
#pragma once

#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "cpu/dispatch.hpp"

namespace check {

inline std::int64_t cases = 0, failures = 0;

// Counts a case; prints the first failures only, as one cause spoils many cases.
[[gnu::format(printf, 2, 3)]] inline void expect(bool holds, const char *format, ...) {
    ++cases;
    if (holds || ++failures > 20) {
        return;
    }
    std::va_list arguments;
    va_start(arguments, format);
    std::printf("failed: ");
    std::vprintf(format, arguments);
    std::printf("\n");
    va_end(arguments);
}

// Equal bits: a NaN is itself, and zero is not minus zero.
template <typename T> bool same_bits(const std::vector<T> &a, const std::vector<T> &b) {
    return a.size() == b.size() &&
           (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

inline std::mt19937_64 &generator() {
    static std::mt19937_64 one(20);
    return one;
}

// A whole number in first .. last.
inline std::int64_t whole(std::int64_t first, std::int64_t last) {
    return std::uniform_int_distribution<std::int64_t>(first, last)(generator());
}

inline float normal() { return std::normal_distribution<float>()(generator()); }

template <typename T> T one_of(std::initializer_list<T> all) {
    return all.begin()[whole(0, static_cast<std::int64_t>(all.size()) - 1)];
}

inline std::vector<float> normals(std::int64_t n, float scale = 1) {
    std::vector<float> numbers(static_cast<std::size_t>(n));
    for (float &number : numbers) {
        number = scale * normal();
    }
    return numbers;
}

// Memory that begins with a cache line.
template <typename T> class Aligned {
  public:
    explicit Aligned(std::int64_t n)
        : data_(static_cast<T *>(::operator new(static_cast<std::size_t>(n) * sizeof(T), line))) {
        std::memset(static_cast<void *>(data_), 0, static_cast<std::size_t>(n) * sizeof(T));
    }
    ~Aligned() { ::operator delete(data_, line); }
    Aligned(const Aligned &) = delete;
    Aligned &operator=(const Aligned &) = delete;

    T *data() const { return data_; }
    T &operator[](std::int64_t at) const { return data_[at]; }

  private:
    static constexpr std::align_val_t line{64};
    T *data_;
};

// Prints which of the compiled sets run here, best first, and what the others lack.
template <typename Table>
void report_sets(const std::vector<twinlens::cpu::InstructionSet<Table>> &sets) {
    for (const auto &set : sets) {
        const std::string missing(twinlens::cpu::first_missing(set.needs));
        if (missing.empty()) {
            std::printf("runs %s\n", set.table->name);
        } else {
            std::printf("skips %s: this processor has no %s\n", set.table->name, missing.c_str());
        }
    }
}

// Sets to check whole, as ",neon,scalar,"; all if empty.
inline std::string whole_sets;

// PROGRAM --whole=SET,SET: others are checked by few cases, or by their bits alone. For emulated
// processors, each of which has the sets of older ones too.
inline void read_sets(int count, char **words) {
    const std::string option = "--whole=";
    for (int i = 1; i < count; ++i) {
        const std::string word = words[i];
        if (word.compare(0, option.size(), option) == 0) {
            whole_sets = "," + word.substr(option.size()) + ",";
        }
    }
}

inline bool is_whole(const std::string &set) {
    return whole_sets.empty() || whole_sets.find("," + set + ",") != std::string::npos;
}

inline int finish() {
    std::printf("%lld cases, %lld failures\n", static_cast<long long>(cases),
                static_cast<long long>(failures));
    return failures == 0 ? 0 : 1;
}

} // namespace check
