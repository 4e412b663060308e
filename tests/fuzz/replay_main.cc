// replay CORPUS_FOLDER MUTATIONS: runs the target over every file of the corpus, over the empty input, and over so many
// mutations, shared out evenly between them. The mutations depend on the files' contents alone, so a failure repeats.
// The input that broke the target is left in the working folder.
#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "fuzz.h"

namespace {

using cairn::base::Bytes;

const Bytes* current = nullptr;

void LeaveInput(int signal_number) {
  constexpr char kName[] = "fuzz-broken-input";
  int fd = open(kName, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd >= 0 && current != nullptr && write(fd, current->data(), current->size()) >= 0) {
    constexpr char kText[] = "the input is in fuzz-broken-input\n";
    if (write(STDERR_FILENO, kText, sizeof kText - 1) < 0) _exit(1);
  }
  std::signal(signal_number, SIG_DFL);
  std::raise(signal_number);
}

void RunOne(const Bytes& input) {
  current = &input;
  cairn::FuzzOne(input);
}

class Mutator {
 public:
  explicit Mutator(const Bytes& original) : original_(original) {
    uint64_t seed = original.size();
    for (uint8_t byte : original) seed = (seed ^ byte) * 0x100000001b3;
    random_.seed(seed);
  }

  Bytes Next(const std::vector<Bytes>& corpus) {
    Bytes out = original_;
    for (uint64_t rounds = 1 + Draw(4); rounds > 0; --rounds) Change(out, corpus);
    return out;
  }

 private:
  uint64_t Draw(uint64_t below) { return random_() % below; }
  uint8_t Byte() {
    constexpr uint8_t kTelling[] = {0x00, 0x01, 0x7f, 0x80, 0xff, ' ', '0', 'a', '.', '\n'};
    return Draw(2) == 0 ? kTelling[Draw(sizeof kTelling)] : static_cast<uint8_t>(random_());
  }

  void Change(Bytes& bytes, const std::vector<Bytes>& corpus) {
    size_t at = Draw(bytes.size() + 1);
    auto here = bytes.begin() + static_cast<long>(at);
    size_t rest = bytes.size() - at;
    switch (Draw(7)) {
      case 0:  // flip a bit
        if (rest > 0) *here ^= static_cast<uint8_t>(1 << Draw(8));
        break;
      case 1:
        if (rest > 0) *here = Byte();
        break;
      case 2:
        bytes.insert(here, 1 + Draw(4), Byte());
        break;
      case 3:
        bytes.erase(here, here + static_cast<long>(Draw(std::min<size_t>(rest, 16) + 1)));
        break;
      case 4:
        bytes.resize(at);
        break;
      case 5: {  // a length or an offset that is off by a little
        if (rest == 0) break;
        uint64_t carry = Draw(2) == 0 ? 1 + Draw(16) : ~Draw(16);
        for (size_t i = 0; i < std::min<size_t>(rest, size_t{1} << Draw(4)); ++i) {
          carry += here[static_cast<long>(i)];
          here[static_cast<long>(i)] = static_cast<uint8_t>(carry);
          carry = static_cast<uint64_t>(static_cast<int64_t>(carry) >> 8);
        }
        break;
      }
      case 6: {  // the tail of another entry
        const Bytes& other = corpus[Draw(corpus.size())];
        bytes.erase(here, bytes.end());
        bytes.insert(bytes.end(), other.begin() + static_cast<long>(std::min(at, other.size())), other.end());
        break;
      }
    }
  }

  const Bytes& original_;
  std::mt19937_64 random_;
};

std::vector<Bytes> ReadCorpus(const char* folder) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<Bytes> out(1);  // the empty input
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    out.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s CORPUS_FOLDER MUTATIONS\n", argv[0]);
    return 2;
  }
  for (int number : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE}) std::signal(number, LeaveInput);
  const std::vector<Bytes> corpus = ReadCorpus(argv[1]);
  const size_t wanted = static_cast<size_t>(std::atol(argv[2]));
  const size_t mutations = (wanted + corpus.size() - 1) / corpus.size();
  for (const Bytes& entry : corpus) {
    RunOne(entry);
    Mutator mutator(entry);
    for (size_t i = 0; i < mutations; ++i) RunOne(mutator.Next(corpus));
  }
  std::printf("%zu inputs and %zu mutations of each: fine\n", corpus.size(), mutations);
  return corpus.size() > 1 ? 0 : 1;
}
