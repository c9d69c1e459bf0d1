// SPDX-License-Identifier: Apache-2.0
// A network as a list of steps over tensors, for a caller in another language. Weights and constants are data: one
// library serves every network.
#include <ctime>
#include <memory>

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

Program* bw_new(i64 chunk) {
    auto* program = new Program;
    program->chunk = chunk;
    return program;
}

void bw_delete(Program* program) { delete program; }

int bw_tensor(Program* program, int kind, i64 base, i64 rows, i64 columns, i64 channels, i64 top, i64 left, i64 bottom,
              i64 right, i64 fill) {
    program->tensors.push_back({Kind(kind), base, rows, columns, channels, top, left, bottom, right, fill});
    return int(program->tensors.size()) - 1;
}

void bw_input(Program* program, int tensor) { program->inputs.push_back(tensor); }
void bw_output(Program* program, int tensor) { program->outputs.push_back(tensor); }

// The tail of the next step: (channels,) each.
void bw_linear(Program* program, int doubles, i64 channels, const double* m, const double* c, const double* low,
               const double* high, i64 after) {
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
}

// t: (steps, channels) if `counted`, else (channels, steps).
void bw_steps(Program* program, int counted, i64 channels, i64 count, const i64* t, const i64* flip, const i64* first,
              i64 step) {
    Tail& tail = program->tail;
    tail.form = counted ? bw::Form::STEPS : bw::Form::SEARCH;
    if (counted) tail.steps32 = copied<std::int32_t>(t, channels * count);
    else tail.steps64 = copied<i64>(t, channels * count);
    tail.flip = copied<std::int32_t>(flip, channels), tail.first = copied<i64>(first, channels);
    tail.first32 = copied<std::int32_t>(first, channels);
    tail.count = count, tail.step = std::int32_t(step);
}

void bw_table(Program* program, i64 channels, const i64* starts, i64 entries, const i64* codes) {
    Tail& tail = program->tail;
    tail.form = bw::Form::TABLE;
    tail.starts = copied<i64>(starts, channels), tail.entries = copied<i64>(codes, entries);
}

void bw_product(Program* program, int form, int in, int out, i64 groups, i64 group_depth, i64 rows, const i64* weights,
                const i64* offsets, i64 runs, const i64* run, i64 length, const i64* bias) {
    const Tensor &from = program->of(in), &to = program->of(out);
    auto at = copied<i64>(offsets, to.pixels()), starts = copied<i64>(run, runs);
    Tail tail = program->taken(out);
    std::unique_ptr<bw::Step> step;
    if (form == 0)
        step = std::make_unique<bw::Product<bw::Bytes>>(in, out, to, from.sample(), groups, rows, weights, at, starts,
                                                        length, group_depth, bias, std::move(tail));
    else if (form == 1)
        step = std::make_unique<bw::Product<bw::Pairs>>(in, out, to, from.sample(), groups, rows, weights, at, starts,
                                                        length, group_depth, bias, std::move(tail));
    else if (form == 2)
        step = std::make_unique<bw::Wide>(in, out, from, to, groups, rows, weights, at, starts, length, group_depth,
                                          bias, std::move(tail));
    else
        step = std::make_unique<bw::Depthwise>(in, out, from, to, weights, at, starts, bias, std::move(tail));
    program->steps.push_back(std::move(step));
}

// counts: (pixels,) taps inside the image, which `taps` holds one pixel after the other.
void bw_pool(Program* program, int in, int out, int sums, int wide, const i64* counts, const i64* taps, const i64* pad) {
    const Tensor& to = program->of(out);
    std::vector<std::vector<i64>> inside;
    for (i64 pixel = 0; pixel < to.pixels(); ++pixel) {
        inside.push_back(copied<i64>(taps, counts[pixel]));
        taps += counts[pixel];
    }
    program->steps.push_back(std::make_unique<bw::Pool>(in, out, program->of(in), to, sums != 0, wide != 0, std::move(inside),
                                                        copied<i64>(pad, to.pixels()), program->taken(out)));
}

// factors: (operands, span * channels) of a sum; of a product what is added to its second operand.
void bw_join(Program* program, i64 operands, const int* in, int out, int product, int wide, i64 span,
             const i64* factors, const i64* bias) {
    const i64 channels = span * program->of(out).channels;
    program->steps.push_back(std::make_unique<bw::Join>(
        copied<int>(in, operands), out, program->tensors, product != 0, wide != 0, span,
        copied<i64>(factors, product ? channels : operands * channels), copied<i64>(bias, channels),
        program->taken(out)));
}

void bw_move(Program* program, int in, int out, i64 count, const i64* index, i64 channel, i64 fill) {
    program->steps.push_back(std::make_unique<bw::Move>(in, out, program->of(in), program->of(out),
                                                        copied<i64>(index, count), channel, fill));
}

void bw_arg_max(Program* program, int in, int out, int last) {
    program->steps.push_back(
        std::make_unique<bw::ArgMax>(in, out, program->of(in), program->of(out), last != 0));
}

// What the tail of the next step makes of `rows` rows of sums, (rows, channels); the tail stays.
void bw_try(Program* program, int wide, i64 channels, i64 rows, const i64* sums, i64* codes) {
    const std::vector<std::int32_t> narrow(sums, sums + (wide ? 0 : rows * channels));
    for (i64 row = 0; row < rows; ++row) {
        if (wide) program->tail.one(sums + row * channels, codes + row * channels, 0, channels);
        else program->tail.one(&narrow[std::size_t(row * channels)], codes + row * channels, 0, channels);
    }
}

// Memory for one thread; null if there is none.
void* bw_arena(const Program* program) {
    try {
        return new bw::Arena(program->tensors, program->chunk);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

void bw_free(void* arena) { delete static_cast<bw::Arena*>(arena); }

// `samples` of every input, in integers of `widths` bytes, negative where they are signed, to every output, channels
// last, in chunks.
void bw_run(const Program* program, void* memory, i64 samples, const void* const* in, const int* widths,
            i64* const* out) {
    const bw::Arena& arena = *static_cast<bw::Arena*>(memory);
    for (i64 done = 0; done < samples; done += program->chunk) {
        const i64 live = std::min(program->chunk, samples - done);
        for (std::size_t i = 0; i < program->inputs.size(); ++i) {
            const Tensor& to = program->of(program->inputs[i]);
            bw::enter(arena, program->inputs[i], to, in[i], std::abs(widths[i]), widths[i] < 0, done, live);
        }
        for (const auto& step : program->steps) step->run(arena, live);
        for (std::size_t i = 0; i < program->outputs.size(); ++i) {
            const Tensor& from = program->of(program->outputs[i]);
            bw::leave(arena, program->outputs[i], from, out[i] + done * from.pixels() * from.channels, live);
        }
    }
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

// Seconds of the processor that each step takes for a chunk of samples, the least of `repeats`; returns how many steps.
i64 bw_time(const Program* program, void* memory, i64 repeats, double* seconds) {
    const bw::Arena& arena = *static_cast<bw::Arena*>(memory);
    const auto now = [] {
        std::timespec time{};
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
        return double(time.tv_sec) + 1e-9 * double(time.tv_nsec);
    };
    for (i64 repeat = 0; repeat < repeats; ++repeat)
        for (std::size_t i = 0; i < program->steps.size(); ++i) {
            const double start = now();
            program->steps[i]->run(arena, program->chunk);
            const double taken = now() - start;
            seconds[i] = repeat == 0 ? taken : std::min(seconds[i], taken);
        }
    return i64(program->steps.size());
}

}  // extern "C"
