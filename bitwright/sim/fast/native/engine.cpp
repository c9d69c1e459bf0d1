// SPDX-License-Identifier: Apache-2.0
// A network as a list of steps over tensors, for a caller in another language. Weights and constants are data: one
// library serves every network.
#include <ctime>
#include <memory>
#include <new>
#include <stdexcept>

#include "points.hpp"
#include "products.hpp"
#include "windows.hpp"

namespace {

using bw::i64;
using bw::Kind;
using bw::Tail;
using bw::Tensor;

struct Program {
    std::vector<Tensor> tensors;
    std::vector<std::unique_ptr<bw::Step>> steps;
    std::vector<int> inputs, outputs;
    i64 chunk = 1;
    Tail tail;  // of the next step

    const Tensor& of(i64 id) const { return tensors[std::size_t(id)]; }
    Tail taken(i64 out) {
        Tail made = std::move(tail);
        tail = Tail{};
        made.base = of(out).base;
        made.after -= std::int32_t(made.base);
        return made;
    }
};

template <class T, class U>
std::vector<T> copied(const U* from, i64 count) {
    return from == nullptr ? std::vector<T>() : std::vector<T>(from, from + count);
}

// 0, or -1 where memory was missing: no exception may reach a caller in another language.
template <class Action>
int guarded(Action action) {
    try {
        action();
        return 0;
    } catch (const std::bad_alloc&) {
        return -1;
    } catch (const std::length_error&) {
        return -1;
    }
}

}  // namespace

extern "C" {

const char* bw_name() { return bw::Bytes::NAME; }

// 1 if the library's instructions exist here: asked in a child process, for the answer may be a signal.
int bw_probe() {
    alignas(64) std::uint8_t x[4 * bw::LANES];
    alignas(64) std::int8_t w[4 * bw::LANES];
    for (int i = 0; i < 4 * bw::LANES; ++i) x[i] = 200, w[i] = std::int8_t(i % 2 ? -100 : 3);
    const bw::Sums sums = bw::Bytes::add(bw::Sums{}, bw::load(x), bw::load(w));
    const bw::Sums pairs = bw::Pairs::add(bw::Sums{}, bw::everywhere(0x00020003), bw::everywhere(0x0005fffe));
    return sums[0] == 2 * 200 * (3 - 100) && pairs[0] == 2 * 5 - 3 * 2;
}

// Null without memory.
Program* bw_new(i64 chunk) {
    auto* program = new (std::nothrow) Program;
    if (program != nullptr) program->chunk = chunk;
    return program;
}

int bw_delete(Program* program) {
    delete program;
    return 0;
}

int bw_tensor(Program* program, int kind, i64 base, i64 rows, i64 columns, i64 channels, i64 top, i64 left, i64 bottom,
              i64 right, i64 fill) {
    const int made = int(program->tensors.size());
    const Tensor tensor{Kind(kind), base, rows, columns, channels, top, left, bottom, right, fill};
    return guarded([&] { program->tensors.push_back(tensor); }) < 0 ? -1 : made;
}

int bw_input(Program* program, int tensor) {
    return guarded([&] { program->inputs.push_back(tensor); });
}

int bw_output(Program* program, int tensor) {
    return guarded([&] { program->outputs.push_back(tensor); });
}

// The tail of the next step: (channels,) each.
int bw_linear(Program* program, int doubles, i64 channels, const double* m, const double* c, const double* low,
              const double* high, i64 after) {
    return guarded([&] {
        Tail& tail = program->tail;
        tail.form = doubles ? bw::Form::DOUBLE : bw::Form::FLOAT;
        tail.after = std::int32_t(after);
        if (doubles) {
            tail.m64 = copied<double>(m, channels), tail.c64 = copied<double>(c, channels);
            tail.low64 = copied<double>(low, channels), tail.high64 = copied<double>(high, channels);
        } else {
            tail.m32 = copied<float>(m, channels), tail.c32 = copied<float>(c, channels);
            tail.low32 = copied<float>(low, channels), tail.high32 = copied<float>(high, channels);
        }
    });
}

// t: (steps, channels) if `counted`, else (channels, steps).
int bw_steps(Program* program, int counted, i64 channels, i64 count, const i64* t, const i64* flip, const i64* first,
             i64 step) {
    return guarded([&] {
        Tail& tail = program->tail;
        tail.form = counted ? bw::Form::STEPS : bw::Form::SEARCH;
        if (counted) tail.steps32 = copied<std::int32_t>(t, channels * count);
        else tail.steps64 = copied<i64>(t, channels * count);
        tail.flip = copied<std::int32_t>(flip, channels), tail.first = copied<i64>(first, channels);
        tail.first32 = copied<std::int32_t>(first, channels);
        tail.count = count, tail.step = std::int32_t(step);
    });
}

int bw_table(Program* program, i64 channels, const i64* starts, i64 entries, const i64* codes) {
    return guarded([&] {
        Tail& tail = program->tail;
        tail.form = bw::Form::TABLE;
        tail.starts = copied<i64>(starts, channels), tail.entries = copied<i64>(codes, entries);
    });
}

// offset: (channels, 2), the lower 64 bits first; `wide` where a product needs more.
int bw_shift(Program* program, int wide, i64 channels, const i64* slope, const i64* offset, const i64* window,
             const i64* low, const i64* high, i64 shift, int odd) {
    return guarded([&] {
        Tail& tail = program->tail;
        tail.form = wide ? bw::Form::LONG : bw::Form::SHIFT;
        tail.slope = copied<i64>(slope, channels), tail.window = copied<i64>(window, channels);
        tail.low = copied<i64>(low, channels), tail.high = copied<i64>(high, channels);
        tail.offset.clear();
        for (i64 c = 0; c < channels; ++c)
            tail.offset.push_back((bw::i128(offset[2 * c + 1]) << 64) | bw::i128(std::uint64_t(offset[2 * c])));
        tail.shift = int(shift), tail.odd = odd != 0;
    });
}

int bw_product(Program* program, int form, int in, int out, i64 groups, i64 group_depth, i64 rows, const i64* weights,
               const i64* offsets, i64 runs, const i64* run, i64 length, const i64* bias) {
    return guarded([&] {
        const Tensor &from = program->of(in), &to = program->of(out);
        auto at = copied<i64>(offsets, to.pixels()), starts = copied<i64>(run, runs);
        Tail tail = program->taken(out);
        std::unique_ptr<bw::Step> step;
        if (form == 0)
            step = std::make_unique<bw::Product<bw::Bytes>>(in, out, to, from.sample(), groups, rows, weights, at,
                                                            starts, length, group_depth, bias, std::move(tail));
        else if (form == 1)
            step = std::make_unique<bw::Product<bw::Pairs>>(in, out, to, from.sample(), groups, rows, weights, at,
                                                            starts, length, group_depth, bias, std::move(tail));
        else if (form == 2)
            step = std::make_unique<bw::Wide>(in, out, from, to, groups, rows, weights, at, starts, length, group_depth,
                                              bias, std::move(tail));
        else
            step = std::make_unique<bw::Depthwise>(in, out, from, to, weights, at, starts, bias, std::move(tail));
        program->steps.push_back(std::move(step));
    });
}

// counts: (pixels,) taps inside the image, which `taps` holds one pixel after the other.
int bw_pool(Program* program, int in, int out, int sums, int wide, const i64* counts, const i64* taps, const i64* pad) {
    return guarded([&] {
        const Tensor& to = program->of(out);
        std::vector<std::vector<i64>> inside;
        for (i64 pixel = 0; pixel < to.pixels(); ++pixel) {
            inside.push_back(copied<i64>(taps, counts[pixel]));
            taps += counts[pixel];
        }
        program->steps.push_back(std::make_unique<bw::Pool>(in, out, program->of(in), to, sums != 0, wide != 0, std::move(inside),
                                                            copied<i64>(pad, to.pixels()), program->taken(out)));
    });
}

// factors: (operands, span * channels) of a sum; of a product what is added to its second operand.
int bw_join(Program* program, i64 operands, const int* in, int out, int product, int wide, i64 span,
            const i64* factors, const i64* bias) {
    return guarded([&] {
        const i64 channels = span * program->of(out).channels;
        program->steps.push_back(std::make_unique<bw::Join>(
            copied<int>(in, operands), out, program->tensors, product != 0, wide != 0, span,
            copied<i64>(factors, product ? channels : operands * channels), copied<i64>(bias, channels),
            program->taken(out)));
    });
}

int bw_move(Program* program, int in, int out, i64 count, const i64* index, i64 channel, i64 fill) {
    return guarded([&] {
        program->steps.push_back(std::make_unique<bw::Move>(in, out, program->of(in), program->of(out),
                                                            copied<i64>(index, count), channel, fill));
    });
}

int bw_arg_max(Program* program, int in, int out, int last) {
    return guarded([&] {
        program->steps.push_back(
            std::make_unique<bw::ArgMax>(in, out, program->of(in), program->of(out), last != 0));
    });
}

// What the tail of the next step makes of `rows` rows of sums, (rows, channels); the tail stays.
int bw_try(Program* program, int wide, i64 channels, i64 rows, const i64* sums, i64* codes) {
    return guarded([&] {
        const std::vector<std::int32_t> narrow(sums, sums + (wide ? 0 : rows * channels));
        for (i64 row = 0; row < rows; ++row) {
            if (wide) program->tail.one(sums + row * channels, codes + row * channels, 0, channels);
            else program->tail.one(&narrow[std::size_t(row * channels)], codes + row * channels, 0, channels);
        }
    });
}

// Memory for one thread; null if there is none.
void* bw_arena(const Program* program) {
    bw::Arena* made = nullptr;
    guarded([&] { made = new bw::Arena(program->tensors, program->chunk); });
    return made;
}

int bw_free(void* arena) {
    delete static_cast<bw::Arena*>(arena);
    return 0;
}

// `samples` of every input to every output, channels last, in chunks. Integers have as many bytes as `widths` and
// `wanted` say, negative where they are signed; those of an output hold all of its codes.
int bw_run(const Program* program, void* memory, i64 samples, const void* const* in, const int* widths,
           void* const* out, const int* wanted) {
    return guarded([&] {
        const bw::Arena& arena = *static_cast<bw::Arena*>(memory);
        for (i64 done = 0; done < samples; done += program->chunk) {
            const i64 live = std::min(program->chunk, samples - done);
            for (std::size_t i = 0; i < program->inputs.size(); ++i) {
                const Tensor& to = program->of(program->inputs[i]);
                bw::enter(arena, program->inputs[i], to, in[i], widths[i], done, live);
            }
            for (const auto& step : program->steps) step->run(arena, live);
            for (std::size_t i = 0; i < program->outputs.size(); ++i) {
                const Tensor& from = program->of(program->outputs[i]);
                bw::leave(arena, program->outputs[i], from, out[i], wanted[i], done, live);
            }
        }
    });
}

// Products of bytes that add to sums in a second, at most: nothing but registers takes part.
double bw_peak(double seconds) {
    constexpr int INDEPENDENT = 12;
    bw::Sums sums[INDEPENDENT] = {};
    const bw::Sums x = bw::everywhere(0x01010101), w = bw::everywhere(0x02020202);
    const auto now = [] {
        std::timespec time{};
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
        return double(time.tv_sec) + 1e-9 * double(time.tv_nsec);
    };
    double best = 0;
    for (const double end = now() + seconds; now() < end;) {
        constexpr int ROUNDS = 100000;
        const double start = now();
        for (int round = 0; round < ROUNDS; ++round) {
#pragma GCC unroll 12
            for (int i = 0; i < INDEPENDENT; ++i) sums[i] = bw::Bytes::add(sums[i], x, w);
        }
        best = std::max(best, double(ROUNDS) * INDEPENDENT * bw::LANES * 4 / (now() - start));
    }
    volatile std::int32_t kept = 0;
    for (const bw::Sums& sum : sums) kept = kept + sum[0];
    return best;
}

// Seconds of the processor that each step takes for a chunk of samples, the least of `repeats`.
int bw_time(const Program* program, void* memory, i64 repeats, double* seconds) {
    const bw::Arena& arena = *static_cast<bw::Arena*>(memory);
    const auto now = [] {
        std::timespec time{};
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
        return double(time.tv_sec) + 1e-9 * double(time.tv_nsec);
    };
    return guarded([&] {
        for (i64 repeat = 0; repeat < repeats; ++repeat)
            for (std::size_t i = 0; i < program->steps.size(); ++i) {
                const double start = now();
                program->steps[i]->run(arena, program->chunk);
                const double taken = now() - start;
                seconds[i] = repeat == 0 ? taken : std::min(seconds[i], taken);
            }
    });
}

}  // extern "C"
