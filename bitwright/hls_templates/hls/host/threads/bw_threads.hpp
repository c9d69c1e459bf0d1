// SPDX-License-Identifier: Apache-2.0
// bw_threads.hpp: the kernels of a DATAFLOW top as threads that take turns. For the plain C++ compiler only.
//
// One thread runs at a time, until a full or an empty stream stops it. So every run is the same, no stream needs a
// lock, and a deadlock is known at once: it is there when no thread is left to go on.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace bw {

// Ends the program: threads that wait for each other cannot be ended one by one.
[[noreturn]] inline void stop(const std::string &message) {
  std::fflush(stdout);
  std::fprintf(stderr, "%s\n", message.c_str());
  std::fflush(stderr);
  std::_Exit(1);
}

// What a kernel has written to one stream and its pipeline still holds.
class Pipeline {
 public:
  virtual bool holds() const = 0;
  virtual void release() = 0;  // the oldest word, as soon as there is room

 protected:
  ~Pipeline() = default;
};

struct Task {
  std::string name;
  std::function<void()> body;
  std::condition_variable turn = {};
  bool done = false;
  bool writes = false;      // what stopped it: a full stream, or an empty one
  std::string stream = {};  // which one
  std::vector<Pipeline *> outputs = {};
};

class Threads {
 public:
  // `stages` words are on their way through a kernel's pipeline to each of its outputs. It flushes: what it holds comes
  // out where it waits for an input, and at the end of a call.
  explicit Threads(int stages) : stages_(static_cast<std::size_t>(stages)) {}

  // The number that the program was given, else `stages`.
  static int given(int count, char **arguments, int stages) { return count > 1 ? std::atoi(arguments[1]) : stages; }

  // A kernel, called once for each batch of frames. `calls` follow each other.
  void add(const char *name, int calls, const std::function<void()> &kernel) {
    tasks_.emplace_back();
    tasks_.back().name = name;
    tasks_.back().body = [=] {
      for (int call = 0; call < calls; ++call) {
        kernel();
        flush();
      }
    };
  }

  // All of them, until the last one ends. A deadlock stops the program with the list of who waits for what.
  void run() {
    current() = this;
    for (Task &task : tasks_) ready_.push_back(&task);
    std::vector<std::thread> threads;
    for (Task &task : tasks_) threads.emplace_back([this, &task] { live(task); });
    std::unique_lock<std::mutex> lock(mutex_);
    pass_on();
    finished_.wait(lock, [this] { return running_ == nullptr; });
    lock.unlock();
    for (std::thread &thread : threads) thread.join();
    current() = nullptr;
  }

  // The task that runs, null outside of run().
  static Task *running() { return current() ? current()->running_ : nullptr; }

  // Words that a pipeline holds for one output.
  static std::size_t stages() { return current()->stages_; }

  // All that the pipeline of the running task holds goes to its streams, a word each in turn; whether there was any.
  static bool flush() {
    bool any = false, more = true;
    while (more) {
      more = false;
      for (Pipeline *output : running()->outputs) {
        if (!output->holds()) continue;
        output->release();
        any = more = true;
      }
    }
    return any;
  }

  // The running task waits in `place`, before it writes to `stream` or reads from it, until another one wakes it.
  static void wait(Task *&place, bool writes, const std::string &stream) { current()->suspend(place, writes, stream); }

  // Whoever waits in `place` may go on.
  static void wake(Task *&place) {
    if (place == nullptr) return;
    current()->ready_.push_back(place);
    place = nullptr;
  }

 private:
  static Threads *&current() {
    static Threads *threads = nullptr;
    return threads;
  }

  void live(Task &task) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      task.turn.wait(lock, [&] { return running_ == &task; });
    }
    try {
      task.body();
    } catch (const std::exception &error) {
      stop(error.what());
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    task.done = true;
    pass_on();
  }

  void suspend(Task *&place, bool writes, const std::string &stream) {
    std::unique_lock<std::mutex> lock(mutex_);
    Task &task = *running_;
    task.writes = writes;
    task.stream = stream;
    place = &task;
    pass_on();
    task.turn.wait(lock, [&] { return running_ == &task; });
  }

  // The next ready task runs; without one all are done, or there is a deadlock.
  void pass_on() {
    if (ready_.empty()) {
      if (!all_done()) stop("deadlock: no kernel can go on" + waiting(true) + waiting(false));
      running_ = nullptr;
      finished_.notify_one();
      return;
    }
    running_ = ready_.front();
    ready_.pop_front();
    running_->turn.notify_one();
  }

  bool all_done() const {
    for (const Task &task : tasks_) {
      if (!task.done) return false;
    }
    return true;
  }

  // A line for each task that waits to write, or to read.
  std::string waiting(bool writes) const {
    std::string lines;
    for (const Task &task : tasks_) {
      if (task.done || task.writes != writes) continue;
      lines += "\n  " + task.stream + ": " + task.name + " waits to " + (writes ? "write" : "read");
    }
    return lines;
  }

  const std::size_t stages_;
  std::deque<Task> tasks_;  // their places stay the same
  std::deque<Task *> ready_;
  Task *running_ = nullptr;
  std::mutex mutex_;
  std::condition_variable finished_;
};

}  // namespace bw
