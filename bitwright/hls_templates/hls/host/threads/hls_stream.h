// SPDX-License-Identifier: Apache-2.0
// hls_stream.h: a FIFO between two threads, as deep as in hardware. Takes the place of the file of the same name in
// host/, whose streams grow as needed. For C simulation with a plain compiler, never for synthesis.
//
// A task of bw_threads.hpp that reads from an empty stream or writes to a full one waits for the task at the other end.
// A stream has one reader and one writer: a second one stops the program, as does a word that is left in the end.
// As in the vendor's header, nothing may be asked of a constant stream, not even whether it is empty.
#pragma once

#include <cstddef>
#include <deque>
#include <string>

#include "bw_threads.hpp"

namespace hls {

template <typename T>
class stream : private bw::Pipeline {
 public:
  // Without a depth it is never full: a stream of the test bench.
  explicit stream(const char *name, std::size_t depth = ~std::size_t(0)) : name_(name), depth_(depth) {}
  stream(const stream &) = delete;
  stream &operator=(const stream &) = delete;

  ~stream() {
    if (!words_.empty()) bw::stop("stream '" + name_ + "' still holds " + std::to_string(words_.size()) + " words");
  }

  void write(const T &word) {
    bw::Task *const task = bw::Threads::running();
    if (claim(writer_, "writers")) task->outputs.push_back(this);
    held_.push_back(word);
    if (task == nullptr || held_.size() > bw::Threads::stages()) release();
  }

  T read() {
    claim(reader_, "readers");
    if (words_.empty() && bw::Threads::running() == nullptr) bw::stop("nobody will write to '" + name_ + "'");
    while (words_.empty()) {
      if (!bw::Threads::flush()) bw::Threads::wait(waiting_, false, "'" + name_ + "' is empty");
    }
    const T word = words_.front();
    words_.pop_front();
    bw::Threads::wake(waiting_);
    return word;
  }

  bool empty() { return words_.empty(); }

 private:
  bool holds() const override { return !held_.empty(); }

  void release() override {
    while (words_.size() >= depth_) {
      bw::Threads::wait(waiting_, true, "'" + name_ + "' is full at " + std::to_string(depth_) + " words");
    }
    words_.push_back(held_.front());
    held_.pop_front();
    bw::Threads::wake(waiting_);
  }

  // Whether the task is new at its end of the stream, where it is the only one; the test bench, no task, may help.
  bool claim(const bw::Task *&end, const char *role) {
    const bw::Task *const task = bw::Threads::running();
    if (task == nullptr || task == end) return false;
    if (end != nullptr) bw::stop("stream '" + name_ + "' has two " + role + ": " + end->name + " and " + task->name);
    end = task;
    return true;
  }

  const std::string name_;
  const std::size_t depth_;
  std::deque<T> words_, held_;  // there; still in the writer's pipeline
  const bw::Task *reader_ = nullptr, *writer_ = nullptr;
  bw::Task *waiting_ = nullptr;  // at either end: both cannot wait at once
};

}  // namespace hls
