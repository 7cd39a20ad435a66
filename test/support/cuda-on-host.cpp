// What kernels of CUDA C++ need of a card, on the host: so that their text is held to the reference where there is none. Lanes of a warp
// run one after the other, but for a kernel that shuffles, whose lanes are threads.
#include <atomic>
#include <barrier>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#define __device__
#define __global__

struct Place { unsigned int x; };
struct alignas(16) float4 { float x, y, z, w; };

static constexpr unsigned int BLOCKS = 3, THREADS = 64, WARP = 32;
static thread_local Place threadIdx, blockIdx;
static const Place blockDim{THREADS}, gridDim{BLOCKS};

static unsigned int __umulhi(unsigned int a, unsigned int b) { return (unsigned int)((uint64_t)a * b >> 32); }
// Compiled without contraction, as the kernels are with --fmad=false.
static float __fmul_rn(float a, float b) { return a * b; }
static float __fadd_rn(float a, float b) { return a + b; }
static unsigned int max(unsigned int a, unsigned int b) { return a > b ? a : b; }

static unsigned int __float_as_uint(float value) {
  unsigned int bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}

static unsigned int lanes[WARP];
static std::barrier<> inStep(WARP);

static unsigned int __shfl_xor_sync(unsigned int, unsigned int value, unsigned int other) {
  const unsigned int lane = threadIdx.x % WARP;
  lanes[lane] = value;
  inStep.arrive_and_wait();
  const unsigned int got = lanes[lane ^ other];
  inStep.arrive_and_wait();
  return got;
}

static void atomicMax(unsigned int* at, unsigned int value) {
  std::atomic_ref<unsigned int> found(*at);
  for (unsigned int before = found; before < value && !found.compare_exchange_weak(before, value);) {}
}

#include KERNELS

template <typename Kernel> static void everyThread(Kernel kernel) {
  for (blockIdx.x = 0; blockIdx.x < BLOCKS; blockIdx.x++)
    for (threadIdx.x = 0; threadIdx.x < THREADS; threadIdx.x++) kernel();
}

template <typename Kernel> static void inWarps(Kernel kernel) {
  for (unsigned int warp = 0; warp < BLOCKS * THREADS / WARP; warp++) {
    std::vector<std::thread> threads;
    for (unsigned int lane = 0; lane < WARP; lane++)
      threads.emplace_back([=] {
        blockIdx.x = warp * WARP / THREADS;
        threadIdx.x = warp * WARP % THREADS + lane;
        kernel();
      });
    for (auto& thread : threads) thread.join();
  }
}

template <typename Value> static Value as(uint64_t argument) {
  Value value;
  std::memcpy(&value, &argument, sizeof value);
  return value;
}

// Arguments of eight bytes each, of which a kernel reads what it takes, from the first on.
extern "C" void launch_move(const uint64_t* a) {
  everyThread([=] { move(as<const Entry*>(a[0]), a[1], a[2], as<const float4*>(a[3])); });
}
extern "C" void launch_decay(const uint64_t* a) {
  everyThread([=] { decay(as<float*>(a[0]), a[1], a[2], a[3], as<float>(a[4]), as<float>(a[5])); });
}
extern "C" void launch_regrid(const uint64_t* a) {
  everyThread([=] { regrid(as<float*>(a[0]), a[1], as<double>(a[2])); });
}
extern "C" void launch_largest(const uint64_t* a) {
  inWarps([=] { largest(as<const float*>(a[0]), a[1], as<unsigned int*>(a[2])); });
}
