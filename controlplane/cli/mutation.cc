#include "controlplane/cli/mutation.h"

#include <array>

#include <fmt/format.h>

#include "controlplane/cli/output.h"
#include "controlplane/cli/table.h"
#include "controlplane/cli/times.h"

namespace adit::cli {
namespace {

using admin::v1::NodeOutcome;

std::string RandomId(RandomSource& random) {
  std::array<std::uint8_t, 16> bytes{};
  random.Fill(bytes);
  return fmt::format("{:02x}", fmt::join(bytes, ""));
}

std::string MayForwardText(const NodeOutcome& outcome) {
  if (!outcome.may_still_forward()) {
    return {};
  }
  return fmt::format("; it may still forward what was removed until {}",
                     outcome.has_may_forward_until_unix_ns()
                         ? FormatMoment(outcome.may_forward_until_unix_ns())
                         : "it hears of it");
}

std::string OutcomeText(const NodeOutcome& outcome, const MutationFlags& flags, WallTime now) {
  switch (outcome.state()) {
    case NodeOutcome::ACKED:
      return "acked";
    case NodeOutcome::REJECTED: {
      if (outcome.rejections_size() == 1 && outcome.rejections(0).object().empty()) {
        return fmt::format("refused: {} [{}]; it will be asked again{}",
                           outcome.rejections(0).text(), outcome.rejections(0).code(),
                           MayForwardText(outcome));
      }
      std::string text = "rejected";
      for (const auto& rejection : outcome.rejections()) {
        text += fmt::format(" {} ({}): {} [{}];", rejection.object(), rejection.field(),
                            rejection.text(), rejection.code());
      }
      return text + " what it would have granted stays denied there";
    }
    case NodeOutcome::OFFLINE:
      return fmt::format("offline{}; it will be told when it connects{}",
                         outcome.has_offline_since_unix_ns()
                             ? " since " + FormatMomentAndAge(outcome.offline_since_unix_ns(), now)
                             : "",
                         MayForwardText(outcome));
    default:
      return (flags.is_no_wait ? "not waited for" : "no answer in time; it will be told again") +
             MayForwardText(outcome);
  }
}

ExitCode ExitCodeOfOutcomes(const admin::v1::MutationResult& result, const MutationFlags& flags) {
  ExitCode code = ExitCode::kOk;
  for (const NodeOutcome& outcome : result.nodes()) {
    const bool is_answered =
        outcome.state() == NodeOutcome::ACKED || outcome.state() == NodeOutcome::OFFLINE;
    if (outcome.state() == NodeOutcome::REJECTED) {
      return ExitCode::kFailed;
    }
    const bool is_late = !is_answered && !flags.is_no_wait;
    const bool may_forward = outcome.state() == NodeOutcome::OFFLINE && outcome.may_still_forward();
    if (is_late || may_forward) {
      code = ExitCode::kUnavailable;
    }
  }
  return code;
}

}  // namespace

void MutationFlags::Declare(config::Parser& parser, bool has_etag) {
  parser.Switch("dry-run", &is_dry_run, "check everything, store nothing").CommandLineOnly();
  parser.Switch("no-wait", &is_no_wait, "do not wait for the nodes").CommandLineOnly();
  if (has_etag) {
    parser.Flag("etag", &etag, "ETAG", "fail with a conflict (5) if the object has another one")
        .CommandLineOnly();
  }
}

admin::v1::MutationOptions MutationFlags::ToOptions(Session& session) const {
  admin::v1::MutationOptions options;
  options.set_validate_only(is_dry_run);
  options.set_no_wait(is_no_wait);
  options.set_request_id(RandomId(session.world().random));
  const auto wait = session.timeout() * 3 / 4;
  options.set_wait_ms(static_cast<std::uint32_t>(
      std::max<std::int64_t>(1, std::chrono::duration_cast<milliseconds>(wait).count())));
  return options;
}

ExitCode FinishMutation(Session& session, const MutationFlags& flags, const Mutated& mutated,
                        const google::protobuf::Message& mutation,
                        const admin::v1::MutationResult& result) {
  bool is_out_taken = mutated.is_out_taken;
  if (!is_out_taken && session.format() == Format::kName) {
    session.out() << mutated.noun << "/" << mutated.name << "\n";
    is_out_taken = true;
  } else if (!is_out_taken) {
    is_out_taken = PrintStructured(session, mutation);
  }
  std::ostream& report = is_out_taken ? session.err() : session.out();
  if (flags.is_dry_run) {
    report << fmt::format("{}/{}: could be {}; nothing is stored (--dry-run)\n", mutated.noun,
                          mutated.name, mutated.done);
    return ExitCode::kOk;
  }
  report << fmt::format("{}/{} {}: stored, revision {}\n", mutated.noun, mutated.name, mutated.done,
                        result.revision());
  for (const NodeOutcome& outcome : result.nodes()) {
    report << "  node/" << Printable(outcome.node()) << ": "
           << Printable(OutcomeText(outcome, flags, session.now())) << "\n";
  }
  return ExitCodeOfOutcomes(result, flags);
}

bool IsOutcomeUnknown(const Session& session, const MutationFlags& flags,
                      const grpc::Status& status) {
  return session.has_called() && !flags.is_dry_run && MayBeStored(status.error_code());
}

ExitCode FailMutation(Session& session, const MutationFlags& flags, const Mutated& mutated,
                      const grpc::Status& status) {
  const ExitCode code = session.Report(status);
  session.Complain(IsOutcomeUnknown(session, flags, status)
                       ? fmt::format("it is not known whether the change is stored: aditctl {} get "
                                     "{} tells",
                                     mutated.noun, mutated.name)
                       : "nothing is stored");
  return code;
}

}  // namespace adit::cli
