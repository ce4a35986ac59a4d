#pragma once

#include <algorithm>
#include <string>

#include <google/protobuf/util/field_mask_util.h>

#include "controlplane/cli/command.h"
#include "controlplane/cli/mutation.h"
#include "controlplane/cli/output.h"
#include "controlplane/cli/table.h"

// list, get and delete, which are alike for every noun. A Noun has: kName; the types Service,
// Object, ListRequest, ListResponse, GetRequest, DeleteRequest, Mutation; kGet, kList, kDelete, the
// stub's methods; Items(ListResponse*), ObjectOf(Mutation); Header(), Row(object, now) and
// Details(object, now) for people.
namespace adit::cli {

// Every page of the list in one response.
template <typename Noun>
[[nodiscard]] grpc::Status ListAll(Session& session, typename Noun::ListResponse* all) {
  typename Noun::ListRequest request;
  request.set_page_size(1'000);
  while (true) {
    typename Noun::ListResponse page;
    const grpc::Status status = session.Call<typename Noun::Service>(Noun::kList, request, &page);
    if (!status.ok()) {
      return status;
    }
    request.set_page_token(page.next_page_token());
    page.clear_next_page_token();
    all->MergeFrom(page);
    if (request.page_token().empty()) {
      return grpc::Status::OK;
    }
  }
}

template <typename Noun>
void PrintList(Session& session, typename Noun::ListResponse& list) {
  if (PrintStructured(session, list)) {
    return;
  }
  if (session.format() == Format::kName) {
    for (const auto& object : *Noun::Items(&list)) {
      session.out() << Noun::kName << "/" << Printable(object.name()) << "\n";
    }
    return;
  }
  Table table(Noun::Header());
  for (const auto& object : *Noun::Items(&list)) {
    table.Add(Noun::Row(object, session.now()));
  }
  table.Print(session.out());
}

template <typename Noun>
class ListCommand : public Command {
 public:
  ExitCode Run(Session& session) override {
    typename Noun::ListResponse list;
    if (const grpc::Status status = ListAll<Noun>(session, &list); !status.ok()) {
      return session.Report(status);
    }
    PrintList<Noun>(session, list);
    return ExitCode::kOk;
  }
};

template <typename Noun>
class GetCommand final : public Command {
 public:
  void Declare(config::Parser& parser) override { parser.Positional("NAME", &name_, "which one"); }
  ExitCode Run(Session& session) override {
    typename Noun::GetRequest request;
    request.set_name(name_);
    typename Noun::Object object;
    const grpc::Status status = session.Call<typename Noun::Service>(Noun::kGet, request, &object);
    if (!status.ok()) {
      return session.Report(status);
    }
    if (session.format() == Format::kName) {
      session.out() << Noun::kName << "/" << Printable(object.name()) << "\n";
    } else if (!PrintStructured(session, object)) {
      Noun::Details(object, session.now()).Print(session.out());
    }
    return ExitCode::kOk;
  }

 private:
  std::string name_;
};

// One changing call and everything that is said about it.
template <typename Noun, typename Request>
[[nodiscard]] ExitCode Mutate(Session& session, const MutationFlags& flags, const Mutated& mutated,
                              grpc::Status (Noun::Service::Stub::*method)(grpc::ClientContext*,
                                                                          const Request&,
                                                                          typename Noun::Mutation*),
                              Request& request) {
  *request.mutable_options() = flags.ToOptions(session);
  typename Noun::Mutation mutation;
  const grpc::Status status = session.Call<typename Noun::Service>(method, request, &mutation);
  return status.ok() ? FinishMutation(session, flags, mutated, mutation, mutation.result())
                     : FailMutation(session, flags, mutated, status);
}

template <typename Noun>
class DeleteCommand final : public Command {
 public:
  void Declare(config::Parser& parser) override {
    parser.Positional("NAME", &name_, "which one");
    flags_.Declare(parser, true);
  }
  ExitCode Run(Session& session) override {
    typename Noun::DeleteRequest request;
    request.set_name(name_);
    request.set_etag(flags_.etag);
    return Mutate<Noun>(session, flags_, {.noun = Noun::kName, .name = name_, .done = "deleted"},
                        Noun::kDelete, request);
  }

 private:
  std::string name_;
  MutationFlags flags_;
};

// Lists in cells: "a, b".
template <typename Strings>
[[nodiscard]] std::string Joined(const Strings& strings) {
  std::string text;
  for (const auto& s : strings) {
    text += (text.empty() ? "" : ", ") + s;
  }
  return text;
}

// Names given as --peer a --peer b or --peer a,b.
template <typename Repeated>
void FillNames(const std::vector<std::string>& values, Repeated* names) {
  for (std::string_view value : values) {
    while (true) {
      const std::size_t comma = value.find(',');
      names->Add(std::string(value.substr(0, comma)));
      if (comma == std::string_view::npos) {
        break;
      }
      value.remove_prefix(comma + 1);
    }
  }
}

}  // namespace adit::cli
