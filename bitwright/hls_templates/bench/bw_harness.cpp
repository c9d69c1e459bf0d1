// SPDX-License-Identifier: Apache-2.0
// bw_harness: drives a Verilated top over its AXI4-Streams, whole batches at a time.
//
//   bw_harness IN OUT FRAMES PATIENCE SEED
//
// IN holds the beats of FRAMES frames, first all frames of the first input, then of the second; OUT receives the outputs
// likewise. A beat is the bytes of its tdata, lowest first. With SEED 0 source and sink never stall, otherwise each
// stalls in half of the clocks. PATIENCE is how many clocks may pass without a transfer. The makers of the model define
// BW_INPUTS and BW_OUTPUTS in bw_ports.h as one X(prefix, bytes of a beat, beats of a frame) for each stream.
//
// Prints for each output, on a line of its own, the clocks from the first input beat to the last beat of the first frame,
// of the last but one (of the only one), and of the last. Ends with 1 and a message if the model hangs or errs.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "Vtop.h"
#include "bw_ports.h"
#include "verilated.h"

namespace {

using Clock = std::uint64_t;

struct Stream {
  const char *name;
  CData &valid, &ready, &last;
  void *data;
  std::size_t beat_bytes, beats;
  std::size_t total = 0, done = 0;  // beats of the whole run, and how many were transferred
  std::vector<Clock> frame_ends = {};
  std::vector<char> bytes = {};

  char *beat() { return bytes.data() + done * beat_bytes; }
  bool ends_frame() const { return (done + 1) % beats == 0; }
  bool fires() const { return valid && ready; }
};
using Streams = std::vector<Stream>;

#define X(prefix, bytes, beats) \
  {#prefix, top.prefix##_tvalid, top.prefix##_tready, top.prefix##_tlast, &top.prefix##_tdata, bytes, beats},
Streams inputs_of(Vtop &top) { return {BW_INPUTS}; }
Streams outputs_of(Vtop &top) { return {BW_OUTPUTS}; }
#undef X

class Coin {  // xorshift64; seed 0 never stalls
 public:
  explicit Coin(std::uint64_t seed) : state_(seed) {}
  bool stalls() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return (state_ >> 32) & 1;
  }

 private:
  std::uint64_t state_;
};

[[noreturn]] void fail(const std::string &message) {
  std::cerr << message << std::endl;
  std::exit(1);
}

void size(Streams &streams, std::size_t frames) {
  for (Stream &stream : streams) {
    stream.total = frames * stream.beats;
    stream.bytes.resize(stream.total * stream.beat_bytes);
  }
}

void tick(Vtop &top) {
  top.aclk = 1;
  top.eval();
  top.aclk = 0;
}

void reset(Vtop &top, Streams &inputs, Streams &outputs) {
  for (Stream &in : inputs) in.valid = 0;
  for (Stream &out : outputs) out.ready = 0;
  top.aclk = 0;
  top.aresetn = 0;
  for (int i = 0; i < 4; ++i) {
    top.eval();
    tick(top);
  }
  top.aresetn = 1;
}

// Sets the inputs of the model for one clock: an offered beat stays offered until it is taken.
void drive(Streams &inputs, Streams &outputs, Coin &coin) {
  for (Stream &in : inputs) {
    if (in.valid || in.done == in.total || coin.stalls()) continue;
    in.valid = 1;
    in.last = in.ends_frame();
    std::memcpy(in.data, in.beat(), in.beat_bytes);
  }
  for (Stream &out : outputs) out.ready = !coin.stalls();
}

void check(const Stream &out) {
  if (out.done == out.total) fail(std::string(out.name) + ": a beat after the last frame");
  if (bool(out.last) != out.ends_frame()) fail(std::string(out.name) + ": tlast is wrong at beat " + std::to_string(out.done));
}

struct Times {
  Clock first_beat = 0, progress = 0;
};

// One clock: the transfers that its rising edge makes, then the edge.
void step(Vtop &top, Streams &inputs, Streams &outputs, Clock clock, Times &times) {
  std::vector<Stream *> fired;
  for (Stream &in : inputs) {
    if (!in.fires()) continue;
    if (&in == &inputs.front() && in.done == 0) times.first_beat = clock;
    fired.push_back(&in);
  }
  for (Stream &out : outputs) {
    if (!out.fires()) continue;
    check(out);
    std::memcpy(out.beat(), out.data, out.beat_bytes);
    if (out.ends_frame()) out.frame_ends.push_back(clock);
    ++out.done;
    times.progress = clock;
  }
  tick(top);
  for (Stream *in : fired) {
    in->valid = 0;
    ++in->done;
    times.progress = clock;
  }
}

std::string progress(const Streams &streams) {
  std::string text;
  for (const Stream &stream : streams) {
    text += std::string(" ") + stream.name + " " + std::to_string(stream.done) + "/" + std::to_string(stream.total);
  }
  return text;
}

}  // namespace

int main(int argc, char **argv) {
  if (argc != 6) fail("usage: bw_harness IN OUT FRAMES PATIENCE SEED");
  const std::size_t frames = std::strtoull(argv[3], nullptr, 10);
  const Clock patience = std::strtoull(argv[4], nullptr, 10);
  Coin coin(std::strtoull(argv[5], nullptr, 10));
  Vtop top;
  Streams inputs = inputs_of(top), outputs = outputs_of(top);
  size(inputs, frames);
  size(outputs, frames);

  std::ifstream source(argv[1], std::ios::binary);
  for (Stream &in : inputs) source.read(in.bytes.data(), static_cast<std::streamsize>(in.bytes.size()));
  if (!source) fail("the input file holds too few frames");

  Times times;
  const auto finished = [](const Stream &stream) { return stream.done == stream.total; };
  reset(top, inputs, outputs);
  for (Clock clock = 0; !std::all_of(outputs.begin(), outputs.end(), finished); ++clock) {
    drive(inputs, outputs, coin);
    top.eval();
    step(top, inputs, outputs, clock, times);
    if (clock - times.progress > patience) {
      fail("no transfer in " + std::to_string(patience) + " clocks; beats so far:" + progress(inputs) + progress(outputs));
    }
  }
  if (top.frame_error) fail("the model reports tlast at a wrong beat");

  std::ofstream sink(argv[2], std::ios::binary);
  for (Stream &out : outputs) sink.write(out.bytes.data(), static_cast<std::streamsize>(out.bytes.size()));
  if (!sink.flush()) fail("the output file cannot be written");
  for (const Stream &out : outputs) {
    // Nothing follows the last frame, which may end earlier for that.
    const std::size_t next = frames > 1 ? frames - 2 : 0, before = frames > 2 ? frames - 3 : next;
    for (const std::size_t frame : {std::size_t{0}, before, next}) {
      std::cout << out.frame_ends[frame] - times.first_beat << " ";
    }
    std::cout << "\n";
  }
  return 0;
}
