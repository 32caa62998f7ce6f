import { createContext, useContext } from "react";
import { Role } from "../gen/tocsin/access/v1/access_pb";
import type { Caller } from "../gen/tocsin/edge/v1/edge_service_pb";
import { includes, roleName } from "../platform/roles";

type Known = Pick<Caller, "name" | "role">;

export const CallerContext = createContext<Known>({ name: "", role: Role.UNSPECIFIED });

/** Who is signed in. */
export function useCaller(): Known {
  return useContext(CallerContext);
}

/** Why a button that changes what is somebody's own is off; undefined if it is the caller's, or the caller is a manager. */
export function useRefusalAbout(person: string): string | undefined {
  const { name, role } = useCaller();
  if (includes(role, Role.MANAGER) || (name === person && includes(role, Role.RESPONDER))) return undefined;
  return `How ${person} is reached is changed by ${person} or a manager.`;
}

/** Why a button that changes something is off; undefined if the caller may use it. */
export function useRefusal(needed: Role = Role.RESPONDER): string | undefined {
  return includes(useCaller().role, needed) ? undefined : `Your role may look but not act. Ask an administrator for the ${roleName(needed)} role.`;
}
