// SPDX-License-Identifier: Apache-2.0
// ap_int.h: arbitrary precision integers on native ones, for C simulation with a plain compiler. Never for synthesis.
//
//   ap_int<W>, ap_uint<W>   W bits, two's complement or plain binary; assignment wraps modulo 2**W
//   + - *                   exact: the result is as wide as it must be, up to 128 bits
//   & | ^ ~ << >>           as the vendor's: a shift keeps the width; the count is not negative
//   < <= > >= == !=         by value; the vendor's compare mixed signs as C does where a width is 32 or more
//   x[i], x.range(hi, lo)   read and write
//
// Above 128 bits (words of an AXI4-Stream) only range, == and construction from an int are defined.
#pragma once

#include <cstdint>
#include <type_traits>

namespace ap_host {

__extension__ typedef __int128 int128;
__extension__ typedef unsigned __int128 uint128;

template <bool Condition, typename A, typename B>
using If = typename std::conditional<Condition, A, B>::type;

// The narrowest native integer of at least W bits.
template <int W, bool Signed>
struct Native {
  static_assert(W >= 1 && W <= 128, "host arithmetic covers 1 to 128 bits");
  using Word = If<W <= 8, std::int8_t, If<W <= 16, std::int16_t, std::int32_t>>;
  using Unsigned = If<W <= 8, std::uint8_t, If<W <= 16, std::uint16_t, std::uint32_t>>;
  using Long = If<W <= 64, std::int64_t, int128>;
  using UnsignedLong = If<W <= 64, std::uint64_t, uint128>;
  using type = If<Signed, If<W <= 32, Word, Long>, If<W <= 32, Unsigned, UnsignedLong>>;
};

// The native integer in which values of W bits are computed: no narrower than int, which C++ promotes to anyway.
template <int W, bool Signed>
using Compute = typename Native<(W < 32 ? 32 : W), Signed>::type;

constexpr int larger(int a, int b) { return a > b ? a : b; }

// Width and sign of results, as the vendor's headers define them.
template <int W1, bool S1, int W2, bool S2>
struct Result {
  static constexpr bool Signed = S1 || S2;
  static constexpr int Common = larger(W1 + (S2 && !S1), W2 + (S1 && !S2));  // holds both operands
};

template <typename T>
struct Width {
  static constexpr int value = std::is_same<T, bool>::value ? 1 : 8 * int(sizeof(T));
};

template <typename T>
using IfInteger = typename std::enable_if<std::is_integral<T>::value || std::is_same<T, int128>::value ||
                                              std::is_same<T, uint128>::value,
                                          int>::type;

}  // namespace ap_host

template <int W, bool S, bool Container = (W > 128)>
class ap_int_base;

// Bits lo..hi of an integer, to be read or written.
template <typename Integer>
class ap_range_ref {
 public:
  ap_range_ref(Integer &integer, int hi, int lo) : integer_(integer), hi_(hi), lo_(lo) {}
  template <typename T>
  ap_range_ref &operator=(const T &bits) {
    integer_.set_range(hi_, lo_, static_cast<std::uint64_t>(bits));
    return *this;
  }
  operator std::uint64_t() const { return integer_.get_range(hi_, lo_); }

 private:
  Integer &integer_;
  int hi_, lo_;
};

template <int W, bool S>
class ap_int_base<W, S, false> {
 public:
  using Value = typename ap_host::Native<W, S>::type;
  static constexpr int width = W;

  ap_int_base() = default;

  constexpr ap_int_base(int x) : value_(wrap(x)) {}  // no template: halves the time to compile an array of weights
  template <typename T, ap_host::IfInteger<T> = 0>
  constexpr ap_int_base(T x) : value_(wrap(x)) {}

  template <int W2, bool S2>
  constexpr ap_int_base(const ap_int_base<W2, S2, false> &x)
      : value_(W2 + (S && !S2) <= W && S >= S2 ? static_cast<Value>(x.value()) : wrap(x.value())) {}

  template <typename Integer>
  ap_int_base(const ap_range_ref<Integer> &bits) : value_(wrap(static_cast<std::uint64_t>(bits))) {}

  // An integer from a value that is known to fit: nothing is wrapped.
  static constexpr ap_int_base fitting(Value value) { return ap_int_base(value, Fits()); }

  constexpr Value value() const { return value_; }
  constexpr operator Value() const { return value_; }
  constexpr int to_int() const { return static_cast<int>(value_); }
  constexpr unsigned long long to_uint64() const { return static_cast<unsigned long long>(value_); }
  constexpr long long to_int64() const { return static_cast<long long>(value_); }

  constexpr bool operator[](int bit) const { return (static_cast<Unsigned>(value_) >> bit & 1) != 0; }
  ap_range_ref<ap_int_base> operator[](int bit) { return {*this, bit, bit}; }
  ap_range_ref<ap_int_base> range(int hi, int lo) { return {*this, hi, lo}; }
  ap_range_ref<const ap_int_base> range(int hi, int lo) const { return {*this, hi, lo}; }

  std::uint64_t get_range(int hi, int lo) const {
    return static_cast<std::uint64_t>(static_cast<Unsigned>(value_) >> lo & ones(hi - lo + 1));
  }
  void set_range(int hi, int lo, std::uint64_t bits) {
    const Unsigned mask = ones(hi - lo + 1);
    value_ = wrap((static_cast<Unsigned>(value_) & ~(mask << lo)) | ((bits & mask) << lo));
  }

  template <typename T>
  ap_int_base &operator+=(T x) { return *this = *this + x; }
  template <typename T>
  ap_int_base &operator-=(T x) { return *this = *this - x; }
  template <typename T>
  ap_int_base &operator*=(T x) { return *this = *this * x; }
  ap_int_base &operator++() { return *this += 1; }
  ap_int_base &operator--() { return *this -= 1; }

  constexpr ap_int_base operator<<(int count) const { return count >= W ? 0 : static_cast<Unsigned>(value_) << count; }
  constexpr ap_int_base operator>>(int count) const {
    return static_cast<ap_host::Compute<W, S>>(value_) >> (count >= W ? W - 1 : count) >> (!S && count >= W ? 1 : 0);
  }
  constexpr ap_int_base operator~() const { return ~static_cast<Unsigned>(value_); }
  constexpr ap_int_base operator+() const { return *this; }
  constexpr auto operator-() const { return ap_int_base<1, false>(0) - *this; }
  constexpr bool operator!() const { return value_ == 0; }

 private:
  using Unsigned = ap_host::Compute<W, false>;
  static constexpr int spare = 8 * int(sizeof(Unsigned)) - W;

  struct Fits {};
  constexpr ap_int_base(Value value, Fits) : value_(value) {}

  // The low W bits of x, sign extended if this type is signed.
  template <typename T>
  static constexpr Value wrap(T x) {
    return static_cast<Value>(
        static_cast<ap_host::Compute<W, S>>(static_cast<Unsigned>(static_cast<Unsigned>(x) << spare)) >> spare);
  }
  static constexpr Unsigned ones(int count) {
    return count >= 8 * int(sizeof(Unsigned)) ? ~Unsigned(0) : (Unsigned(1) << count) - 1;
  }

  Value value_;
};

template <int W, bool S>
constexpr int ap_int_base<W, S, false>::width;

template <int W, bool S>
class ap_int_base<W, S, true> {
 public:
  static constexpr int width = W;

  ap_int_base() = default;
  ap_int_base(int x) {
    for (std::uint64_t &word : words_) word = x < 0 ? ~std::uint64_t(0) : 0;
    words_[0] = static_cast<std::uint64_t>(static_cast<std::int64_t>(x));
    words_[Words - 1] &= ~std::uint64_t(0) >> (64 * Words - W);
  }

  bool operator==(const ap_int_base &other) const {
    for (int i = 0; i < Words; ++i) {
      if (words_[i] != other.words_[i]) return false;
    }
    return true;
  }
  bool operator!=(const ap_int_base &other) const { return !(*this == other); }

  ap_range_ref<ap_int_base> range(int hi, int lo) { return {*this, hi, lo}; }
  ap_range_ref<const ap_int_base> range(int hi, int lo) const { return {*this, hi, lo}; }

  std::uint64_t get_range(int hi, int lo) const {
    std::uint64_t bits = 0;
    for (int bit = hi; bit >= lo; --bit) bits = bits << 1 | (words_[bit / 64] >> bit % 64 & 1);
    return bits;
  }
  void set_range(int hi, int lo, std::uint64_t bits) {
    for (int bit = lo; bit <= hi; ++bit, bits >>= 1) {
      const std::uint64_t one = std::uint64_t(1) << bit % 64;
      words_[bit / 64] = (bits & 1) != 0 ? words_[bit / 64] | one : words_[bit / 64] & ~one;
    }
  }

 private:
  static constexpr int Words = (W + 63) / 64;
  std::uint64_t words_[Words];
};

template <int W>
using ap_int = ap_int_base<W, true>;
template <int W>
using ap_uint = ap_int_base<W, false>;

#define AP_HOST_MIXED(OP)                                                                                          \
  template <int W, bool S, typename T, ap_host::IfInteger<T> = 0>                                                  \
  constexpr auto operator OP(const ap_int_base<W, S, false> &a, T b) {                                             \
    return a OP ap_int_base<ap_host::Width<T>::value, std::is_signed<T>::value>(b);                                \
  }                                                                                                                \
  template <typename T, int W, bool S, ap_host::IfInteger<T> = 0>                                                  \
  constexpr auto operator OP(T a, const ap_int_base<W, S, false> &b) {                                             \
    return ap_int_base<ap_host::Width<T>::value, std::is_signed<T>::value>(a) OP b;                                \
  }

#define AP_HOST_BINARY(OP, WIDTH, SIGNED)                                                                          \
  template <int W1, bool S1, int W2, bool S2>                                                                      \
  constexpr auto operator OP(const ap_int_base<W1, S1, false> &a, const ap_int_base<W2, S2, false> &b) {           \
    using Rule = ap_host::Result<W1, S1, W2, S2>;                                                                  \
    using Exact = ap_host::Compute<(WIDTH), (SIGNED)>;                                                             \
    using Type = ap_int_base<(WIDTH), (SIGNED)>;                                                                   \
    return Type::fitting(                                                                                          \
        static_cast<typename Type::Value>(static_cast<Exact>(a.value()) OP static_cast<Exact>(b.value())));        \
  }                                                                                                                \
  AP_HOST_MIXED(OP)

#define AP_HOST_COMPARE(OP)                                                                                        \
  template <int W1, bool S1, int W2, bool S2>                                                                      \
  constexpr bool operator OP(const ap_int_base<W1, S1, false> &a, const ap_int_base<W2, S2, false> &b) {           \
    using Rule = ap_host::Result<W1, S1, W2, S2>;                                                                  \
    using Exact = ap_host::Compute<Rule::Common, Rule::Signed>;                                                    \
    return static_cast<Exact>(a.value()) OP static_cast<Exact>(b.value());                                         \
  }                                                                                                                \
  AP_HOST_MIXED(OP)

AP_HOST_BINARY(+, Rule::Common + 1, Rule::Signed)
AP_HOST_BINARY(-, Rule::Common + 1, true)
AP_HOST_BINARY(*, W1 + W2, Rule::Signed)
AP_HOST_BINARY(&, Rule::Common, Rule::Signed)
AP_HOST_BINARY(|, Rule::Common, Rule::Signed)
AP_HOST_BINARY(^, Rule::Common, Rule::Signed)
AP_HOST_COMPARE(<)
AP_HOST_COMPARE(<=)
AP_HOST_COMPARE(>)
AP_HOST_COMPARE(>=)
AP_HOST_COMPARE(==)
AP_HOST_COMPARE(!=)

#undef AP_HOST_COMPARE
#undef AP_HOST_BINARY
#undef AP_HOST_MIXED
