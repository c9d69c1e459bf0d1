// SPDX-License-Identifier: Apache-2.0
// bw_testbench.hpp: sends codes as AXI4-Stream transfers, compares what comes back, counts the differences.
#pragma once

#include <cstdio>

#include "../kernels/bw_axis.hpp"

namespace bw {

// The frames of a call, from number `first` on, as transfers, TLAST on the last one of each. Behind the last vector
// come the first ones again.
template <typename Shape, int Vectors, int Size>
void send(const long long (&codes)[Vectors][Size], int first, hls::stream<typename Shape::Transfer> &out) {
  static_assert(Size == Shape::Beats * Shape::Lanes, "a frame of codes must fill its transfers");
  hls::stream<Vec<typename Shape::T, Shape::Lanes>> words("words");
  for (int frame = first; frame < first + Frames; ++frame) {
    for (int beat = 0; beat < Shape::Beats; ++beat) {
      Vec<typename Shape::T, Shape::Lanes> word;
      for (int lane = 0; lane < Shape::Lanes; ++lane) {
        word.lane[lane] = Element<typename Shape::T>::of(codes[frame % Vectors][beat * Shape::Lanes + lane]);
      }
      words.write(word);
    }
  }
  axis_out<Shape>(words, out);
}

// Counts of what was compared and of what differed; prints the first differences.
class Scoreboard {
 public:
  // The frames of a call, from number `first` on, against the codes that the reference engine computed, TLAST included.
  template <typename Shape, int Vectors, int Size>
  void check(const char *port, int first, hls::stream<typename Shape::Transfer> &in,
             const long long (&codes)[Vectors][Size]) {
    for (int frame = first; frame < first + Frames; ++frame) check<Shape>(port, frame, in, codes[frame % Vectors]);
  }

  // Nothing may be left on a stream.
  template <typename Stream>
  void check_empty(const char *port, Stream &stream) {
    compare(port, 0, 0, "left over", stream.empty() ? 0 : 1, 0);
  }

  // Prints one line; the exit code of the program.
  int summary(const char *design) const {
    std::printf("%s: %lld compared, %lld different\n", design, compared_, different_);
    return different_ == 0 ? 0 : 1;
  }

 private:
  template <typename Shape, int Size>
  void check(const char *port, int frame, hls::stream<typename Shape::Transfer> &in, const long long (&codes)[Size]) {
    static_assert(Size == Shape::Beats * Shape::Lanes, "a frame of codes must fill its transfers");
    for (int beat = 0; beat < Shape::Beats; ++beat) {
      if (in.empty()) {
        compare(port, frame, beat, "transfer", 0, 1);
        return;
      }
      const typename Shape::Transfer transfer = in.read();
      compare(port, frame, beat, "TLAST", transfer.last == 1, beat == Shape::Beats - 1);
      for (int lane = 0; lane < Shape::Lanes; ++lane) {
        const int low = lane * Shape::ByteBits;
        const ap_uint<Shape::ByteBits> got = transfer.data.range(low + Shape::ByteBits - 1, low);
        const int element = beat * Shape::Lanes + lane;
        const ap_uint<Shape::ByteBits> want = Element<typename Shape::T>::raw(
            Element<typename Shape::T>::of(codes[element]));
        compare(port, frame, element, "element", (long long)got.to_uint64(), (long long)want.to_uint64());
      }
    }
  }

  void compare(const char *port, int frame, int index, const char *what, long long got, long long want) {
    ++compared_;
    if (got == want) return;
    if (++different_ <= 20) {
      std::printf("%s, frame %d, %s %d: got 0x%llx, want 0x%llx\n", port, frame, what, index,
                  (unsigned long long)got, (unsigned long long)want);
    }
  }

  long long compared_ = 0, different_ = 0;
};

}  // namespace bw
