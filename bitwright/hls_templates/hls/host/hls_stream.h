// SPDX-License-Identifier: Apache-2.0
// hls_stream.h: a FIFO for C simulation with a plain compiler. Never for synthesis.
//
// It grows as needed, since C simulation runs one process after the other. Two mistakes throw, with the stream's name:
// a read from an empty stream, and a stream that still holds words when its life ends. Memory goes back to a pool of
// its type, because a design declares its streams anew for every frame. As in the vendor's header, nothing may be asked
// of a constant stream, not even whether it is empty. As there, words are copied as bytes.
#pragma once

#include <exception>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace hls {

template <typename T>
class stream {
  static_assert(std::is_trivially_copyable<T>::value, "a stream of the vendor's copies words by memcpy");

 public:
  stream() : stream("stream") {}
  explicit stream(const char *name) : name_(name) {
    if (!pool().empty()) {
      words_ = std::move(pool().back());
      pool().pop_back();
    }
    head_ = tail_ = words_.data();
    end_ = head_ + words_.size();
  }
  stream(const stream &) = delete;
  stream &operator=(const stream &) = delete;

  ~stream() noexcept(false) {
    const std::size_t left = size();
    pool().push_back(std::move(words_));
    if (left != 0 && !std::uncaught_exception()) {
      throw std::runtime_error("stream '" + std::string(name_) + "' still holds " + std::to_string(left) + " words");
    }
  }

  void write(const T &word) {
    if (tail_ == end_) make_room();
    *tail_++ = word;
  }
  T read() {
    if (head_ == tail_) throw std::runtime_error("stream '" + std::string(name_) + "' is read while it is empty");
    return *head_++;
  }
  bool empty() { return head_ == tail_; }
  std::size_t size() { return static_cast<std::size_t>(tail_ - head_); }

 private:
  static std::vector<std::vector<T>> &pool() {
    static std::vector<std::vector<T>> buffers;
    return buffers;
  }

  // Move the words to the front; double the memory where that frees less than half of it.
  void make_room() {
    const std::size_t held = size();
    std::move(head_, tail_, words_.data());
    if (2 * held >= words_.size()) words_.resize(2 * words_.size() + 16);
    head_ = words_.data();
    tail_ = head_ + held;
    end_ = head_ + words_.size();
  }

  const char *name_;
  std::vector<T> words_;
  T *head_, *tail_, *end_;
};

}  // namespace hls
