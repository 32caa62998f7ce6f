import { useQuery } from "@connectrpc/connect-query";
import { ResponseService } from "../gen/tocsin/response/v1/response_service_pb";

/** Everything of response that files keep: people, teams, schedules, policies. */
export function useOrganisation() {
  return useQuery(ResponseService.method.exportConfiguration, {}, { staleTime: 30_000 }).data?.configuration;
}
