import { createContext, useContext } from "react";
import { Role } from "../gen/tocsin/access/v1/access_pb";
import type { Caller } from "../gen/tocsin/edge/v1/edge_service_pb";
import { mayRespond } from "../platform/roles";

type Known = Pick<Caller, "name" | "role">;

export const CallerContext = createContext<Known>({ name: "", role: Role.UNSPECIFIED });

/** Who is signed in. */
export function useCaller(): Known {
  return useContext(CallerContext);
}

/** Why a button that changes something is off; undefined if the caller may use it. */
export function useRefusal(): string | undefined {
  return mayRespond(useCaller().role) ? undefined : "Your role may look but not act. Ask an administrator for the responder role.";
}
